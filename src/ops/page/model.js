// The page's memory, in a thread of its own, so that neither parsing the status of twenty thousand real servers nor
// searching them ever holds up scrolling or typing. It asks the director, keeps the history of weights and
// connections since the page was opened, and tells page.js what it needs to draw: the rows in sight, the sums, the
// newest events, one server's details.
'use strict';

// How often the director is asked, in milliseconds, and at once when an event says that something changed. An answer
// that takes long to make is asked for more rarely: never more than a quarter of the time.
const EVERY = 2000, SHARE = 4, ANSWER_WITHIN = 10000;
// After an event: the director keeps an answer for a second, so the first one may be from before.
const SOON = 1100;
// Several events come together; one question is enough for them.
const GATHER = 150;
// Kept samples: ten minutes at the usual pace.
const SAMPLES = 300;
// Kept events, as many as the list shows.
const EVENTS = 200;
// Real servers below which all virtual servers start unfolded.
const FEW = 150;

let services = [];
let rows = [];
let query = [], onlyTrouble = false;
let visible = true;
let sight = { first: 0, count: 40 };
let detail = null;
let asked = 0, timer = null, asking = false, again = false;
let source = null, lastEvent = '', fresh = [], gathering = null;
const folds = new Map();
const history = { at: new Float64Array(SAMPLES).fill(NaN), next: 0, of: new Map() };

onmessage = ({ data }) => {
  switch (data.type) {
    case 'search': query = words(data.query); onlyTrouble = data.trouble; arrange(); break;
    case 'sight': sight = data; tellRows(); break;
    case 'fold': folds.set(data.id, data.open); arrange(); break;
    case 'detail': detail = data.id; tellDetail(); break;
    case 'visible': visible = data.value; visible ? begin() : end(); break;
  }
};

// --- asking ---

function begin() {
  ask();
  if (source) return;
  source = new EventSource(`api/v1/events/follow?limit=${EVENTS}&since=${lastEvent || 0}`);
  source.addEventListener('event', ({ data, lastEventId }) => {
    lastEvent = lastEventId || lastEvent;
    fresh.push(JSON.parse(data));
    gathering ??= setTimeout(gathered, GATHER);
  });
}

function end() {
  clearTimeout(timer);
  source?.close();
  source = null;
}

function gathered() {
  gathering = null;
  postMessage({ type: 'events', events: fresh.slice(-EVENTS) });
  fresh = [];
  again = true;
  ask();
}

async function ask() {
  if (asking) return;
  clearTimeout(timer);
  asking = true;
  const start = performance.now();
  try {
    const [status, counters] = await Promise.all([read('api/v1/status'), read('api/v1/counters').catch(() => null)]);
    take(status, counters, Date.now());
    postMessage({ type: 'live', why: null });
  } catch (error) {
    postMessage({ type: 'live', why: String(error.message ?? error) });
  }
  asking = false;
  asked = performance.now() - start;
  if (visible) timer = setTimeout(ask, Math.max(again ? SOON : EVERY, asked * SHARE));
  again = false;
}

async function read(path) {
  const answer = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_WITHIN) });
  if (!answer.ok) throw new Error(`the director answers ${answer.status}`);
  return answer.json();
}

// --- taking the answer in ---

function take(status, counters, now) {
  const counted = new Map((counters?.virtual_servers ?? []).map((service) =>
    [service.key, new Map(service.real_servers.map((server) => [server.key, server.connections]))]));
  const old = new Map(services.flatMap((service) => service.servers.map((server) => [server.id, server.up])));
  services = (status.lvs?.virtual_servers ?? []).map((service) => takeService(service, now, old, counted.get(service.key)));
  sample(now);
  const servers = services.reduce((sum, service) => sum + service.servers.length, 0);
  const up = services.reduce((sum, service) => sum + service.up_count, 0);
  postMessage({
    type: 'sums', director: status.director ?? null, vrrp: status.vrrp ?? null, now,
    lvs: status.lvs ? { services: services.length, up: services.filter((service) => service.up).length, servers, servers_up: up } : null,
  });
  arrange();
}

function takeService(service, now, old, counted) {
  const servers = (service.real_servers ?? []).map((server) => takeServer(service.key, server, now, old, counted?.get(server.key)));
  const known = servers.filter((server) => server.connections !== null);
  return {
    id: service.key, kind: 'service', key: service.key, scheduler: service.scheduler, up: service.up,
    sorry: service.sorry, lagging: service.lagging, live_weight: service.live_weight, quorum: service.quorum,
    connections: known.length ? known.reduce((sum, server) => sum + server.connections, 0) : null,
    weight: service.live_weight,
    up_count: servers.filter((server) => server.up).length,
    trouble: !service.up || Boolean(service.lagging) || service.sorry || servers.some((server) => !server.up),
    text: `${service.key} ${service.scheduler} ${service.up ? 'up' : 'down'} ${service.lagging ?? ''}`.toLowerCase(),
    servers,
  };
}

function takeServer(of, server, now, old, counted) {
  const operator = server.override ? `operator: ${server.override.wish}${server.override.reason ? ` (${server.override.reason})` : ''}` : '';
  const why = !operator && server.up && server.weight !== server.configured_weight ? server.why : '';
  const cause = [operator, server.cause, why].filter(Boolean).join('; ');
  const id = `${of} ${server.key}`;
  return {
    id, kind: 'server', of, key: server.key, up: server.up, weight: server.weight, cause, checks: server.checks ?? [],
    configured: server.configured_weight, connections: counted?.active ?? null, inactive: counted?.inactive ?? null,
    persistent: counted?.persistent ?? null, since: server.for_ms === null ? null : now - server.for_ms,
    held: Boolean(server.override), turned: old.has(id) && old.get(id) !== server.up,
    text: `${server.key} ${server.up ? 'up' : 'down'} ${cause}`.toLowerCase(),
  };
}

function sample(now) {
  const { at, of } = history;
  const slot = history.next;
  history.next = (slot + 1) % SAMPLES;
  at[slot] = now;
  const seen = new Set();
  const put = (row) => {
    seen.add(row.id);
    let kept = of.get(row.id);
    if (!kept) of.set(row.id, kept = { weight: new Float32Array(SAMPLES).fill(NaN), connections: new Float32Array(SAMPLES).fill(NaN) });
    kept.weight[slot] = row.weight ?? 0;
    kept.connections[slot] = row.connections ?? NaN;
  };
  for (const service of services) { put(service); service.servers.forEach(put); }
  for (const id of of.keys()) if (!seen.has(id)) of.delete(id);
}

// --- what is shown ---

function words(text) { return text.toLowerCase().split(/\s+/).filter(Boolean); }
function isHit(text) { return query.every((word) => text.includes(word)); }

function arrange() {
  rows = [];
  const few = services.reduce((sum, service) => sum + service.servers.length, 0) < FEW;
  let found = 0, number = 0;
  for (const service of services) {
    if (onlyTrouble && !service.trouble) continue;
    const own = isHit(service.text);
    // A word may speak of the virtual server and another of one of its real servers.
    const hits = query.length ? service.servers.filter((server) => isHit(`${service.text} ${server.text}`)) : service.servers;
    if (!own && !hits.length) continue;
    found += 1;
    number += own ? service.servers.length : hits.length;
    const open = folds.get(service.id) ?? (few || service.trouble || (query.length > 0 && !own));
    rows.push({ row: service, open });
    if (open) for (const server of own ? service.servers : hits) rows.push({ row: server });
  }
  postMessage({ type: 'arranged', total: rows.length, found, number, filtered: query.length > 0 || onlyTrouble });
  tellRows();
  tellDetail();
}

function tellRows() {
  const shown = rows.slice(sight.first, sight.first + sight.count).map(({ row, open }) => {
    const { servers, checks, text, ...told } = row;
    return { ...told, open, count: servers?.length, plot: short(row.id) };
  });
  postMessage({ type: 'rows', first: sight.first, total: rows.length, now: Date.now(), rows: shown });
}

function tellDetail() {
  if (detail === null) return;
  const row = services.find((service) => service.id === detail)
    ?? services.flatMap((service) => service.servers).find((server) => server.id === detail);
  if (!row) return postMessage({ type: 'detail', row: null });
  const { servers, text, ...told } = row;
  postMessage({ type: 'detail', now: Date.now(), row: told, count: servers?.length, history: long(row.id) });
}

// The samples in order, oldest first.
function long(id) {
  const kept = history.of.get(id), { at, next } = history;
  const points = [];
  for (let step = 0; kept && step < SAMPLES; step += 1) {
    const slot = (next + step) % SAMPLES;
    if (!Number.isNaN(at[slot]) && !Number.isNaN(kept.weight[slot])) {
      points.push({ at: at[slot], weight: kept.weight[slot], connections: kept.connections[slot] });
    }
  }
  return points;
}

// For the small plot in a row: the newest sixty; connections where they are known, else weights.
function short(id) {
  const points = long(id).slice(-60);
  const known = points.some((point) => !Number.isNaN(point.connections));
  return points.map((point) => known ? (point.connections || 0) : point.weight);
}
