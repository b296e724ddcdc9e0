//! The wire format of protobuf, written: tags, varints, length-delimited bytes.

/// A message being written.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Bytes that are no field.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Negative numbers travel as 64 bits in two's complement.
    pub(super) fn number(&mut self, tag: u32, number: i64) {
        self.varint(u64::from(tag) << 3);
        self.varint(number.cast_unsigned());
    }

    pub(super) fn double(&mut self, tag: u32, number: f64) {
        self.varint(u64::from(tag) << 3 | 1);
        self.raw(&number.to_le_bytes());
    }

    /// What comes before that many bytes.
    pub(super) fn head(&mut self, tag: u32, length: usize) {
        self.varint(u64::from(tag) << 3 | 2);
        self.varint(length as u64);
    }

    pub(super) fn bytes(&mut self, tag: u32, bytes: &[u8]) {
        self.head(tag, bytes.len());
        self.raw(bytes);
    }

    /// A message within this one.
    pub(super) fn nested(&mut self, tag: u32, fill: impl FnOnce(&mut Self)) {
        self.head(tag, 0);
        let start = self.0.len();
        fill(self);
        let length = self.0.len() - start;
        if length < 0x80 {
            self.0[start - 1] = length as u8;
            return;
        }
        // One byte was kept free; the length needs more.
        let mut prefix = Self::default();
        prefix.varint(length as u64);
        self.0.splice(start - 1..start, prefix.0);
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}
