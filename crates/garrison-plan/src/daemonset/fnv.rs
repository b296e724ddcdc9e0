//! The FNV-1a hash: the same on every machine and in every version, which std's hashers do not promise.

/// 32 bits.
pub(super) fn fnv32(parts: &[&[u8]]) -> u32 {
    parts.iter().copied().flatten().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// 64 bits.
pub(super) fn fnv64(parts: &[&[u8]]) -> u64 {
    parts
        .iter()
        .copied()
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_test_vectors() {
        assert_eq!(fnv32(&[b""]), 0x811c_9dc5);
        assert_eq!(fnv32(&[b"foo", b"bar"]), 0xbf9c_f968);
        assert_eq!(fnv64(&[b"foobar"]), 0x8594_4171_f739_67e8);
    }
}
