//! Classic BPF: what the kernel lets through to a socket. Only the few instructions that the filters here need.

use socket2::SockFilter;

/// Opcodes (linux/filter.h): load word, half word and byte at an offset, compare, return. What is loaded counts as of
/// network byte order, whatever it is.
pub(super) const LOAD_WORD: u16 = 0x20;
pub(super) const LOAD_HALF: u16 = 0x28;
pub(super) const LOAD_BYTE: u16 = 0x30;
/// The length of an IPv4 header becomes the index: four times the low nibble of the byte at an offset.
pub(super) const INDEX_HEADER: u16 = 0xb1;
/// Load the byte at index plus offset.
pub(super) const LOAD_BYTE_AT_INDEX: u16 = 0x50;
pub(super) const JUMP_EQUAL: u16 = 0x15;
pub(super) const JUMP_GREATER: u16 = 0x25;
pub(super) const JUMP_AT_LEAST: u16 = 0x35;
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

    /// Runs a filter as the kernel does: how many bytes of `frame` pass. A load beyond the frame's end ends it with none.
    pub(in crate::io) fn run(filter: &[Instruction], frame: &[u8]) -> u32 {
        let (mut at, mut value, mut index) = (0, 0, 0);
        let word = |at: usize, length: usize| {
            let bytes = frame.get(at..at + length)?;
            Some(bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
        };
        loop {
            let (code, yes, no, operand) = filter[at];
            at += 1;
            let place = operand as usize;
            let jump = |holds| usize::from(if holds { yes } else { no });
            let loaded = match code {
                LOAD_WORD => word(place, 4),
                LOAD_HALF => word(place, 2),
                LOAD_BYTE => word(place, 1),
                LOAD_BYTE_AT_INDEX => word(index + place, 1),
                INDEX_HEADER => {
                    let Some(first) = word(place, 1) else { return 0 };
                    index = (first as usize & 0x0f) * 4;
                    continue;
                }
                JUMP_EQUAL => {
                    at += jump(value == operand);
                    continue;
                }
                JUMP_GREATER => {
                    at += jump(value > operand);
                    continue;
                }
                JUMP_AT_LEAST => {
                    at += jump(value >= operand);
                    continue;
                }
                RETURN => return operand,
                _ => panic!("opcode {code:#x}"),
            };
            match loaded {
                Some(loaded) => value = loaded,
                None => return 0,
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
