// What the reader sees. Everything that came over the network is set as text or as an attribute, never as markup; the
// list keeps only the rows in sight; model.js, in a thread of its own, does the work that grows with the number of servers.
'use strict';

const find = (id) => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';
// Rows beyond the edges of the window, so that scrolling meets rows that are there already.
const MARGIN = 12;
const EVENTS = 200;
const STATES = { Master: 'MASTER', Backup: 'BACKUP', Fault: 'FAULT', Initialize: 'INIT', HandingOver: 'HANDING OVER' };
const STATE_CLASS = { Master: 'good', Fault: 'bad', Initialize: 'odd', HandingOver: 'odd' };

// Where the browser guards scripts' addresses, this is the one that it lets through.
const policy = window.trustedTypes?.createPolicy('page', { createScriptURL: () => 'model.js' });
const model = new Worker(policy ? policy.createScriptURL('') : 'model.js');
const drawn = new Map();
let total = 0, rowHeight = 40, lostSince = null, shownDetail = null;

find('host').textContent = location.hostname;
find('events').open = matchMedia('(min-width: 80rem)').matches;

model.onmessage = ({ data }) => {
  switch (data.type) {
    case 'live': showLive(data.why); break;
    case 'sums': showSums(data); break;
    case 'arranged': showArranged(data); break;
    case 'rows': showRows(data); break;
    case 'events': showEvents(data.events); break;
    case 'detail': showDetail(data); break;
  }
};

// --- asking the model ---

let searching = null;
function search() {
  clearTimeout(searching);
  searching = setTimeout(() => {
    model.postMessage({ type: 'search', query: find('query').value, trouble: find('trouble').checked });
  }, 60);
}
find('query').addEventListener('input', search);
find('trouble').addEventListener('change', search);

let framed = false;
function look() {
  if (framed) return;
  framed = true;
  requestAnimationFrame(() => {
    framed = false;
    const above = Math.max(0, -find('list').getBoundingClientRect().top);
    const first = Math.max(0, Math.floor(above / rowHeight) - MARGIN);
    model.postMessage({ type: 'sight', first, count: Math.ceil(innerHeight / rowHeight) + 2 * MARGIN });
  });
}
function measure() {
  const root = getComputedStyle(document.documentElement);
  rowHeight = parseFloat(root.getPropertyValue('--row')) * parseFloat(root.fontSize);
  find('list').style.height = `${total * rowHeight}px`;
  drawn.forEach((row) => { row.at = -1; });
  look();
}
addEventListener('scroll', look, { passive: true });
addEventListener('resize', measure);
document.addEventListener('visibilitychange', () => model.postMessage({ type: 'visible', value: !document.hidden }));

// --- elements ---

function make(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
function say(element, text) { if (element.textContent !== text) element.textContent = text; }
function badge(className, text) { return make('span', `badge ${className ?? ''}`, text); }

function age(since, now) {
  if (since === null) return '';
  const seconds = Math.max(0, Math.round((now - since) / 1000));
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  if (seconds < 360000) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}
const clock = (at) => new Date(at).toLocaleTimeString([], { hour12: false });

function points(values, width, height) {
  const most = Math.max(1, ...values);
  const step = width / Math.max(1, values.length - 1);
  return values.map((value, at) => `${(at * step).toFixed(1)},${(height - 1 - (value / most) * (height - 2)).toFixed(1)}`).join(' ');
}
function plot(width, height) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.append(document.createElementNS(SVG, 'polyline'));
  return svg;
}

// --- the head and the pair ---

function showLive(why) {
  const live = find('live');
  if (why === null) lostSince = null; else lostSince ??= Date.now();
  live.classList.toggle('lost', why !== null);
  say(live, why === null ? 'live' : `no answer since ${clock(lostSince)}: ${why}`);
}

function showSums({ director, vrrp, lvs, now }) {
  document.title = lvs && lvs.up < lvs.services ? `(${lvs.services - lvs.up} down) evenkeel` : 'evenkeel';
  say(find('sums'), lvs ? `${lvs.up} of ${lvs.services} up, real servers ${lvs.servers_up} of ${lvs.servers} up`
    : director ? 'no virtual servers here' : 'the director does not say');
  const instances = vrrp?.instances ?? [];
  find('pair').hidden = instances.length === 0;
  const failed = (vrrp?.scripts ?? []).filter((script) => script.condition === 'Bad');
  find('instances').replaceChildren(...instances.map((instance) => showInstance(instance, now)), ...failed.map(showScript));
}

function showScript({ name, last, failures, runs }) {
  const item = make('li');
  const head = make('div', 'head');
  head.append(make('span', '', name), badge('odd', 'script fails'));
  item.append(head, make('p', '', `${last ?? 'no result'}; ${failures} of ${runs} runs failed`));
  return item;
}

function showInstance(instance, now) {
  const item = make('li');
  const head = make('div', 'head');
  head.append(make('span', '', instance.name), badge(STATE_CLASS[instance.state], STATES[instance.state] ?? instance.state));
  const base = instance.priority === instance.effective_priority ? '' : ` (${instance.priority} without tracking)`;
  item.append(head, make('p', '', `for ${age(now - instance.for_ms, now)}, priority ${instance.effective_priority}${base}, `
    + `${instance.interface}, router id ${instance.virtual_router_id}${instance.sync_group ? `, group ${instance.sync_group}` : ''}`));
  const { master } = instance;
  if (master && instance.state !== 'Master') {
    item.append(make('p', '', `master ${master.address}, priority ${master.priority}, heard ${(master.heard_ms_ago / 1000).toFixed(1)} s ago`));
  }
  const addresses = instance.addresses.map((address) => `${address.address}/${address.prefix_length}${address.present ? '' : ' (not here)'}`);
  item.append(make('p', '', addresses.join(', ')));
  return item;
}

// --- events ---

function showEvents(events) {
  const list = find('event-list');
  const items = events.map((event) => {
    const item = make('li');
    const time = make('time', '', clock(event.at_ms));
    time.dateTime = new Date(event.at_ms).toISOString();
    const kind = { critical: 'bad', warning: 'odd' }[event.severity];
    item.append(time, badge(kind, event.name.replaceAll('_', ' ')), ` ${event.subject}`);
    if (event.cause) item.append(make('span', 'why', event.cause));
    return item;
  });
  list.prepend(...items.reverse());
  while (list.children.length > EVENTS) list.lastChild.remove();
  const newest = events.at(-1);
  if (newest) say(find('newest'), `${clock(newest.at_ms)} ${newest.name.replaceAll('_', ' ')} ${newest.subject}`);
}

// --- the list ---

function showArranged({ total: rows, found, number, filtered }) {
  if (rows !== total) {
    total = rows;
    find('list').style.height = `${total * rowHeight}px`;
    look();
  }
  say(find('found'), filtered ? `${found} virtual servers, ${number} real servers found` : '');
}

function showRows({ first, rows, total: all, now }) {
  const seen = new Set();
  rows.forEach((row, step) => {
    seen.add(row.id);
    let shown = drawn.get(row.id);
    if (!shown) {
      shown = row.kind === 'service' ? makeService(row.id) : makeServer(row.id);
      drawn.set(row.id, shown);
    }
    place(shown, first + step, all);
    fill(shown, row, now);
  });
  for (const [id, shown] of drawn) {
    if (!seen.has(id)) { shown.element.remove(); drawn.delete(id); }
  }
  putInOrder(rows);
}

// In the document's order too, for the keyboard and for readers that speak; only what is out of place moves.
function putInOrder(rows) {
  const list = find('list');
  let next = list.firstChild;
  for (const row of rows) {
    const { element } = drawn.get(row.id);
    if (element === next) next = next.nextSibling; else list.insertBefore(element, next);
  }
}

function place(shown, at, all) {
  if (shown.at !== at) {
    shown.at = at;
    shown.element.style.transform = `translateY(${at * rowHeight}px)`;
    shown.element.setAttribute('aria-posinset', at + 1);
  }
  if (shown.all !== all) { shown.all = all; shown.element.setAttribute('aria-setsize', all); }
}

function makeRow(kind, button) {
  const element = make('div', `row ${kind}`);
  element.setAttribute('role', 'listitem');
  const parts = { key: make('span', 'key'), state: make('span', 'state'), rest: make('span', 'rest'), plot: make('span', 'plot') };
  for (const name of ['cause', 'since', 'weight', 'connections']) {
    parts[name] = make('span', name);
    parts.rest.append(parts[name]);
  }
  parts.badge = badge();
  parts.state.append(parts.badge);
  parts.svg = plot(60, 20);
  parts.svg.setAttribute('aria-hidden', 'true');
  parts.plot.append(parts.svg);
  parts.key.append(button);
  element.append(parts.key, parts.state, parts.rest, parts.plot);
  return { element, parts, button, at: -1 };
}

function makeService(id) {
  const fold = make('button');
  const mark = make('span', 'fold');
  mark.setAttribute('aria-hidden', 'true');
  const name = make('span');
  fold.append(mark, name);
  const shown = makeRow('service', fold);
  const more = make('button', 'more', 'history');
  shown.parts.key.append(more);
  Object.assign(shown.parts, { name, mark, more });
  fold.addEventListener('click', () => model.postMessage({ type: 'fold', id, open: !shown.open }));
  more.addEventListener('click', () => openDetail(id));
  return shown;
}

function makeServer(id) {
  const name = make('button');
  const shown = makeRow('server', name);
  shown.parts.name = name;
  name.addEventListener('click', () => openDetail(id));
  return shown;
}

function fill(shown, row, now) {
  const { parts } = shown;
  const last = shown.element;
  say(parts.name, row.key);
  parts.name.title = row.key;
  if (row.kind === 'service') {
    shown.open = row.open;
    shown.button.setAttribute('aria-expanded', row.open);
    say(parts.mark, row.open ? '▾ ' : '▸ ');
    parts.more.setAttribute('aria-label', `history of ${row.key}`);
    state(parts.badge, row.up ? (row.trouble ? 'odd' : 'good') : 'bad', `${row.up ? 'UP' : 'DOWN'} ${row.up_count}/${row.count}`);
    say(parts.weight, `${row.live_weight}`);
    say(parts.since, '');
    say(parts.cause, [row.scheduler, row.quorum > 1 ? `quorum ${row.quorum}` : '', row.sorry ? 'sorry server serves' : '',
      row.lagging ? `table lags: ${row.lagging}` : ''].filter(Boolean).join(', '));
  } else {
    state(parts.badge, row.up ? (row.held ? 'odd' : 'good') : 'bad', row.up ? 'UP' : 'DOWN');
    say(parts.weight, row.weight === null ? 'out' : row.weight === row.configured ? `${row.weight}` : `${row.weight} of ${row.configured}`);
    say(parts.since, age(row.since, now));
    say(parts.cause, row.cause);
    if (row.turned) {
      last.classList.remove('turned');
      void last.offsetWidth; // starts the animation anew
      last.classList.add('turned');
    }
  }
  parts.cause.title = parts.cause.textContent;
  say(parts.connections, row.connections === null ? '' : row.kind === 'service' ? `${row.connections}` : `${row.connections} + ${row.inactive}`);
  parts.svg.firstChild.setAttribute('points', points(row.plot, 60, 20));
}

function state(element, kind, text) {
  const className = `badge ${kind}`;
  if (element.className !== className) element.className = className;
  say(element, text);
}

// --- one server ---

function openDetail(id) {
  shownDetail = id;
  model.postMessage({ type: 'detail', id });
}
find('detail').addEventListener('close', () => {
  shownDetail = null;
  model.postMessage({ type: 'detail', id: null });
});

function showDetail({ row, history, now, count }) {
  const dialog = find('detail');
  if (shownDetail === null) return;
  if (row === null) { say(find('detail-state'), 'no longer configured'); return; }
  say(find('detail-title'), row.kind === 'server' ? `${row.key} of ${row.of}` : row.key);
  const since = row.since ? ` for ${age(row.since, now)}` : '';
  say(find('detail-state'), row.kind === 'server'
    ? `${row.up ? 'UP' : 'DOWN'}${since}; ${row.weight === null ? 'not in the table' : `weight ${row.weight}`} (configured: ${row.configured})${row.cause ? `; ${row.cause}` : ''}`
      + (row.connections === null ? '' : `; ${row.connections} active, ${row.inactive} inactive, ${row.persistent} persistent connections`)
    : `${row.up ? 'UP' : 'DOWN'}, ${row.up_count} of ${count} real servers up, live weight ${row.live_weight}, quorum ${row.quorum}, ${row.scheduler}`);
  curve('connections', history.map((point) => point.connections), history);
  curve('weight', history.map((point) => point.weight), history);
  find('checks').replaceChildren(...(row.checks ?? []).map((check) => make('li', '',
    `${check.kind} ${check.target}: ${check.up ? 'up' : 'down'} for ${age(now - check.for_ms, now)}${check.cause ? `, ${check.cause}` : ''}; `
    + `${check.probes} probes, ${check.failures} failed`)));
  find('checks').previousElementSibling.hidden = !row.checks;
  if (!dialog.open) dialog.showModal();
}

function curve(name, values, history) {
  const known = values.filter((value) => !Number.isNaN(value));
  const holder = find(`${name}-plot`);
  holder.parentElement.hidden = known.length === 0;
  if (known.length === 0) return;
  const least = Math.min(...known), most = Math.max(...known);
  const since = clock(history[0].at);
  const text = `${name === 'weight' ? 'Weight' : 'Connections'} since ${since}: now ${known.at(-1)}, least ${least}, most ${most}`;
  say(find(`${name}-caption`), text);
  const svg = holder.firstElementChild ?? plot(300, 60);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', text);
  svg.firstChild.setAttribute('points', points(known, 300, 60));
  if (!holder.firstElementChild) holder.append(svg);
}

measure();
model.postMessage({ type: 'visible', value: !document.hidden });
