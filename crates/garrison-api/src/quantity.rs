//! Amounts of cpu, memory and the like, exact (`apimachinery/pkg/api/resource`).

/// An exact amount, held in thousand-millionths (nano) so that cpu fractions and bytes share one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Quantity(i128);

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
pub struct NotAQuantity;

impl Quantity {
    /// Parses `100m`, `200Mi`, `1.5`, `1e3` …
    ///
    /// # Errors
    /// When the text is not of the grammar.
    pub fn parse(text: &str) -> Result<Self, NotAQuantity> {
        unimplemented!("{text}")
    }

    /// In whole units (bytes, cores), rounded up.
    pub fn value(self) -> i64 {
        unimplemented!("{}", self.0)
    }

    /// In thousandths, rounded up (cpu).
    pub fn milli_value(self) -> i64 {
        unimplemented!("{}", self.0)
    }
}
