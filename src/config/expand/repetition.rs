//! `~SEQ(...)`, `~SEQx(...)` and `~LST(...)`: names and the values that they take in turn. Values are made as they are
//! asked for: a sequence of four thousand million is refused without being made.

/// Most turns of one repetition.
pub(in crate::config) const MOST: u64 = 1_000_000;

/// Names and what they stand for in each turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Repetition {
    /// The names that are set.
    pub(in crate::config) names: Vec<String>,
    values: Values,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Values {
    Numbers { start: i64, step: i64, turns: u64, hex: bool },
    Tuples(Vec<Vec<String>>),
}

impl Repetition {
    /// From start to end; hexadecimal if wanted.
    pub(in crate::config) fn sequence(
        name: &str,
        start: i64,
        step: i64,
        end: i64,
        hex: bool,
    ) -> Result<Self, String> {
        if step == 0 {
            return Err("the step is 0".to_owned());
        }
        let distance = i128::from(end) - i128::from(start);
        let turns = distance / i128::from(step) + 1;
        if distance != 0 && (distance < 0) != (step < 0) {
            return Err(format!("steps of {step} do not lead from {start} to {end}"));
        }
        let turns = u64::try_from(turns).unwrap_or(u64::MAX);
        if turns > MOST {
            return Err(format!("{turns} turns: at most {MOST} are made"));
        }
        if hex && (start < 0 || end < 0) {
            return Err("a negative number has no hexadecimal form here".to_owned());
        }
        let values = Values::Numbers { start, step, turns, hex };
        Ok(Self { names: vec![known_name(name)?], values })
    }

    /// One turn for each tuple of values.
    pub(in crate::config) fn list(
        names: &[&str],
        tuples: Vec<Vec<String>>,
    ) -> Result<Self, String> {
        let names = names.iter().map(|name| known_name(name)).collect::<Result<Vec<_>, _>>()?;
        if let Some(tuple) = tuples.iter().find(|tuple| tuple.len() != names.len()) {
            return Err(format!("{} values for {} names: {tuple:?}", tuple.len(), names.len()));
        }
        if tuples.is_empty() {
            return Err("there are no values".to_owned());
        }
        Ok(Self { names, values: Values::Tuples(tuples) })
    }

    /// The values of a turn, one for each name; `None` after the last.
    pub(in crate::config) fn turn(&self, turn: u64) -> Option<Vec<String>> {
        match &self.values {
            Values::Numbers { turns, .. } if turn >= *turns => None,
            Values::Numbers { start, step, hex, .. } => {
                let value = start + step * i64::try_from(turn).ok()?;
                Some(vec![if *hex { format!("{value:x}") } else { value.to_string() }])
            }
            Values::Tuples(tuples) => tuples.get(usize::try_from(turn).ok()?).cloned(),
        }
    }
}

/// Reads `~WORD(...)` at the start of a text: the repetition, and how many bytes it takes.
pub(super) fn parse(text: &str) -> Result<(Repetition, usize), String> {
    let open = text.find('(').ok_or("a `(` is missing")?;
    let close = text.find(')').filter(|close| *close > open).ok_or("a `)` is missing")?;
    let inside = &text[open + 1..close];
    let repetition = match text[..open].trim_end() {
        "~SEQ" => sequence(inside, false)?,
        "~SEQx" => sequence(inside, true)?,
        "~LST" => list(inside)?,
        other => return Err(format!("`{other}` is none of ~SEQ, ~SEQx, ~LST")),
    };
    Ok((repetition, close + 1))
}

/// `var, [start, [step,]] end`.
fn sequence(inside: &str, hex: bool) -> Result<Repetition, String> {
    let mut parts = inside.split(',').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let numbers = parts.map(number).collect::<Result<Vec<i64>, String>>()?;
    let toward = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let (start, step, end) = match numbers[..] {
        [end] => {
            let start = if end < 0 { -1 } else { 1 };
            (start, toward(start, end), end)
        }
        [start, end] => (start, toward(start, end), end),
        [start, step, end] => (start, step, end),
        _ => return Err("it is written ~SEQ(NAME, [START, [STEP,]] END)".to_owned()),
    };
    Repetition::sequence(name, start, step, end, hex)
}

/// Decimal, 0x hexadecimal, 0 octal: as strtol reads them. At most 32 bits, so that no sum overflows.
fn number(text: &str) -> Result<i64, String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let read = match digits {
        _ if digits.starts_with("0x") => i64::from_str_radix(&digits[2..], 16),
        _ if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8),
        _ => digits.parse(),
    };
    let limit = 1_i64 << 32;
    read.ok()
        .filter(|value| (0..=limit).contains(value))
        .map(|value| sign * value)
        .ok_or_else(|| format!("`{text}` is no number up to {limit}"))
}

/// `var, v1, v2` or `{a, b}, {1, 2}, {3, 4}`.
fn list(inside: &str) -> Result<Repetition, String> {
    let items = items(inside)?;
    let (first, values) = items.split_first().ok_or("a name is missing")?;
    let names: Vec<&str> = first.iter().map(String::as_str).collect();
    Repetition::list(&names, values.to_vec())
}

/// The items between commas, those in braces as several.
fn items(inside: &str) -> Result<Vec<Vec<String>>, String> {
    let mut items = Vec::new();
    let mut rest = inside.trim();
    loop {
        let item = match rest.strip_prefix('{') {
            Some(tuple) => {
                let (tuple, after) = tuple.split_once('}').ok_or("a `}` is missing")?;
                rest = after.trim_start();
                tuple.split(',').map(|part| part.trim().to_owned()).collect()
            }
            None => {
                let (item, _) = rest.split_once(',').unwrap_or((rest, ""));
                rest = &rest[item.len()..];
                vec![item.trim().to_owned()]
            }
        };
        items.push(item);
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None if rest.is_empty() => return Ok(items),
            None => return Err(format!("a comma is missing before `{rest}`")),
        }
    }
}

fn known_name(name: &str) -> Result<String, String> {
    if super::is_name(name) { Ok(name.to_owned()) } else { Err(format!("`{name}` is no name")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<String>, String> {
        let (repetition, length) = parse(text)?;
        assert_eq!(length, text.len());
        Ok((0..).map_while(|turn| repetition.turn(turn)).map(|turn| turn.join("/")).collect())
    }

    #[test]
    fn sequences_count_as_the_manual_says() {
        assert_eq!(all("~SEQ(A, 0, 3)").unwrap(), ["0", "1", "2", "3"]);
        assert_eq!(all("~SEQ(A, 3)").unwrap(), ["1", "2", "3"]);
        assert_eq!(all("~SEQ(A, -2)").unwrap(), ["-1", "-2"]);
        assert_eq!(all("~SEQ(A, 5, 3)").unwrap(), ["5", "4", "3"]);
        assert_eq!(all("~SEQ(A, 1, 2, 6)").unwrap(), ["1", "3", "5"]);
        assert_eq!(all("~SEQx(A, 0x90, 0x10, 0xc0)").unwrap(), ["90", "a0", "b0", "c0"]);
        assert_eq!(all("~SEQ(A, 010, 9)").unwrap(), ["8", "9"]);
        assert_eq!(all("~SEQ(A, 4, 4)").unwrap(), ["4"]);
    }

    #[test]
    fn lists_take_single_values_and_tuples() {
        assert_eq!(all("~LST(A, x, y)").unwrap(), ["x", "y"]);
        assert_eq!(all("~LST({A, B}, {1,2},{3, 4})").unwrap(), ["1/2", "3/4"]);
    }

    #[test]
    fn what_cannot_be_made_is_refused_at_once() {
        for (text, why) in [
            ("~SEQ(A,1,1,4000000000)", "4000000000 turns: at most 1000000 are made"),
            ("~SEQ(A,1,0,5)", "the step is 0"),
            ("~SEQ(A,1,-1,5)", "steps of -1 do not lead from 1 to 5"),
            (
                "~SEQ(A,99999999999999999999)",
                "`99999999999999999999` is no number up to 4294967296",
            ),
            ("~SEQ(A)", "it is written ~SEQ(NAME, [START, [STEP,]] END)"),
            ("~SEQ(1A,3)", "`1A` is no name"),
            ("~SEQx(A,-3)", "a negative number has no hexadecimal form here"),
            ("~SEQ(A,3", "a `)` is missing"),
            ("~LST({A,B},{1})", "1 values for 2 names: [\"1\"]"),
            ("~LST(A)", "there are no values"),
            ("~LST({A},{1}{2})", "a comma is missing before `{2}`"),
            ("~LOT(A,1)", "`~LOT` is none of ~SEQ, ~SEQx, ~LST"),
        ] {
            assert_eq!(all(text).unwrap_err(), why, "{text}");
        }
    }
}
