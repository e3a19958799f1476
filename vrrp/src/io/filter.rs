//! Classic BPF: what the kernel lets through to a socket. Only the few instructions that the filters here need.

use socket2::SockFilter;

/// Opcodes (linux/filter.h): load word and half word at an offset, compare, return. What is loaded counts as of network
/// byte order, whatever it is.
pub(super) const LOAD_WORD: u16 = 0x20;
pub(super) const LOAD_HALF: u16 = 0x28;
pub(super) const JUMP_EQUAL: u16 = 0x15;
pub(super) const RETURN: u16 = 0x06;

/// Code, jump if equal, jump if not, operand.
pub(super) type Instruction = (u16, u8, u8, u32);

/// The same in the form that the kernel takes.
pub(super) fn compile(filter: &[Instruction]) -> Vec<SockFilter> {
    let instruction = |&(code, equal, unequal, operand): &Instruction| {
        SockFilter::new(code, equal, unequal, operand)
    };
    filter.iter().map(instruction).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Runs a filter as the kernel does: how many bytes of `frame` pass.
    pub(in crate::io) fn run(filter: &[Instruction], frame: &[u8]) -> u32 {
        let (mut at, mut value) = (0, 0);
        let word = |at: usize, length: usize| {
            frame[at..at + length].iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
        };
        loop {
            let (code, equal, unequal, operand) = filter[at];
            at += 1;
            match code {
                LOAD_WORD => value = word(operand as usize, 4),
                LOAD_HALF => value = word(operand as usize, 2),
                JUMP_EQUAL => at += usize::from(if value == operand { equal } else { unequal }),
                RETURN => return operand,
                _ => panic!("opcode {code:#x}"),
            }
        }
    }

    #[test]
    fn a_filter_compares_what_it_loads() {
        let filter = [
            (LOAD_HALF, 0, 0, 1),
            (JUMP_EQUAL, 0, 1, 0x0203),
            (RETURN, 0, 0, 7),
            (RETURN, 0, 0, 0),
        ];
        assert_eq!((run(&filter, &[1, 2, 3]), run(&filter, &[1, 3, 3])), (7, 0));
        assert_eq!(compile(&filter).len(), 4);
    }
}
