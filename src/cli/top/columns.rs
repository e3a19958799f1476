//! PURE: which columns a terminal of some width has room for. What a narrow one leaves out is the least needed first:
//! bytes, the plot, the rate, connections; name, state and weight always stay.

/// Widths in cells; 0: the column is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) name: usize,
    pub(super) state: usize,
    pub(super) weight: usize,
    pub(super) active: usize,
    pub(super) inactive: usize,
    pub(super) rate: usize,
    pub(super) bytes: usize,
    pub(super) plot: usize,
    pub(super) why: usize,
}

impl Columns {
    /// For so many cells.
    pub(super) fn of(width: usize) -> Self {
        let mut columns = Self {
            name: 24,
            state: 7,
            weight: 7,
            active: 0,
            inactive: 0,
            rate: 0,
            bytes: 0,
            plot: 0,
            why: 0,
        };
        if width < 40 {
            columns.name = width.saturating_sub(columns.state + columns.weight).max(8);
            return columns;
        }
        // Each is taken while what comes before it, and some of the reasons, still fit.
        let mut left = width - 38;
        let mut take = |wanted: usize, spare: usize| {
            let fits = left >= wanted + spare;
            left -= if fits { wanted } else { 0 };
            if fits { wanted } else { 0 }
        };
        columns.active = take(8, 0);
        columns.rate = take(8, 12);
        columns.inactive = take(9, 16);
        columns.plot = take(14, 22);
        columns.bytes = take(9, 32);
        columns.name += take(10, 40);
        columns.plot += if columns.plot > 0 { take(24, 60) } else { 0 };
        columns.why = left;
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_its_terminal_and_more_room_shows_no_less() {
        let mut before = 0;
        for width in 0..300 {
            let all = Columns::of(width);
            let Columns { name, state, weight, active, inactive, rate, bytes, plot, why } = all;
            let sum = name + state + weight + active + inactive + rate + bytes + plot + why;
            assert!(sum <= width.max(22), "{width}: {all:?}");
            let shown = [active, inactive, rate, bytes, plot].into_iter().filter(|it| *it > 0);
            let shown = shown.count();
            assert!(shown >= before, "{width}: {all:?}");
            before = shown;
        }
        assert_eq!(before, 5);
    }
}
