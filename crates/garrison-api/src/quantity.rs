//! Amounts of cpu, memory and the like, exact (`apimachinery/pkg/api/resource`).

use std::fmt;

/// An exact amount, held in thousand-millionths (nano) so that cpu fractions and bytes share one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Quantity(i128);

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
pub struct NotAQuantity;

const NANO: i128 = 1_000_000_000;

/// Suffixes and their factor in nano-units.
const SUFFIXES: [(&str, i128); 16] = [
    ("", NANO),
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("k", NANO * 1_000),
    ("M", NANO * 1_000_000),
    ("G", NANO * 1_000_000_000),
    ("T", NANO * 1_000_000_000_000),
    ("P", NANO * 1_000_000_000_000_000),
    ("E", NANO * 1_000_000_000_000_000_000),
    ("Ki", NANO << 10),
    ("Mi", NANO << 20),
    ("Gi", NANO << 30),
    ("Ti", NANO << 40),
    ("Pi", NANO << 50),
    ("Ei", NANO << 60),
];

impl Quantity {
    /// Parses `100m`, `200Mi`, `1.5`, `1e3` …; digits finer than a nano are rounded up, as upstream does.
    ///
    /// # Errors
    /// When the text is not of the grammar, or beyond what is held exactly.
    pub fn parse(text: &str) -> Result<Self, NotAQuantity> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(NotAQuantity);
        }
        let digits: i128 = if whole.len() + fraction.len() > 30 {
            return Err(NotAQuantity);
        } else {
            format!("0{whole}{fraction}").parse().map_err(|_| NotAQuantity)?
        };
        let (numerator, denominator) = factor(suffix)?;
        let denominator = denominator
            .checked_mul(10_i128.checked_pow(u32::try_from(fraction.len()).map_err(|_| NotAQuantity)?).ok_or(NotAQuantity)?)
            .ok_or(NotAQuantity)?;
        let nano = digits.checked_mul(numerator).ok_or(NotAQuantity)?;
        let nano = nano / denominator + i128::from(nano % denominator != 0);
        Ok(Self(if negative { -nano } else { nano }))
    }

    /// That many whole units (bytes, cores).
    pub fn from_units(units: i64) -> Self {
        Self(i128::from(units) * NANO)
    }

    /// That many thousandths.
    pub fn from_milli(milli: i64) -> Self {
        Self(i128::from(milli) * (NANO / 1000))
    }

    /// In whole units (bytes, cores), rounded up.
    pub fn value(self) -> i64 {
        self.rounded_up(NANO)
    }

    /// In thousandths, rounded up (cpu).
    pub fn milli_value(self) -> i64 {
        self.rounded_up(NANO / 1000)
    }

    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The nearest amount above, or the same, that is whole in thousandths.
    fn in_thousandths(self) -> Self {
        const MILLI: i128 = NANO / 1000;
        let milli = self.0.div_euclid(MILLI) + i128::from(self.0.rem_euclid(MILLI) != 0);
        Self(milli * MILLI)
    }

    /// `1500m`, `2`, `3G`: the largest power of a thousand that leaves a whole number; as an exponent for `exponent`.
    fn in_powers_of_ten(self, exponent: bool) -> String {
        const LETTERS: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
        let (mut number, mut step) = (self.0, 0);
        while number % 1000 == 0 && number != 0 && step + 1 < LETTERS.len() {
            (number, step) = (number / 1000, step + 1);
        }
        match (number, step) {
            (0, _) => "0".into(),
            (_, 3) => number.to_string(),
            _ if exponent => format!("{number}e{}", 3 * step as i32 - 9),
            _ => format!("{number}{}", LETTERS[step]),
        }
    }

    /// `512Mi`, `2Gi`: the largest power of 1024 that leaves a whole number.
    fn in_powers_of_two(self) -> String {
        const LETTERS: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
        let (mut number, mut step) = (self.0 / NANO, 0);
        while number % 1024 == 0 && number != 0 && step + 1 < LETTERS.len() {
            (number, step) = (number / 1024, step + 1);
        }
        format!("{number}{}", LETTERS[step])
    }

    fn rounded_up(self, unit: i128) -> i64 {
        let value = self.0.div_euclid(unit) + i128::from(self.0.rem_euclid(unit) != 0);
        i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
    }
}

/// The one text for an amount, in the form (powers of two, of ten, exponent) that its writer chose: `1000m` is `1`.
///
/// What is finer than a thousandth is rounded up, as upstream does with requests, limits and capacities.
///
/// # Errors
/// When the text is no quantity.
pub fn canonical(text: &str) -> Result<String, NotAQuantity> {
    let amount = Quantity::parse(text)?.in_thousandths();
    let suffix = text.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-'));
    // Small or fractional amounts would lose digits in powers of two.
    let binary = suffix.ends_with('i') && amount.0 % NANO == 0 && amount.0.abs() >= 1024 * NANO;
    let exponent = suffix.len() > 1 && suffix.starts_with(['e', 'E']) && !suffix.ends_with('i');
    Ok(if binary { amount.in_powers_of_two() } else { amount.in_powers_of_ten(exponent) })
}

/// Numerator and denominator of a suffix, in nano-units.
fn factor(suffix: &str) -> Result<(i128, i128), NotAQuantity> {
    if let Some((_, factor)) = SUFFIXES.iter().find(|(name, _)| *name == suffix) {
        return Ok((*factor, 1));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E']).ok_or(NotAQuantity)?.parse().map_err(|_| NotAQuantity)?;
    let power = 10_i128.checked_pow(exponent.unsigned_abs()).filter(|_| exponent.unsigned_abs() <= 18).ok_or(NotAQuantity)?;
    Ok(if exponent < 0 { (NANO, power) } else { (NANO * power, 1) })
}

impl std::ops::Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::ops::Sub for Quantity {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::iter::Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| sum + one)
    }
}

/// Decimal form: whole units, or thousandths with `m`.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % NANO == 0 { write!(f, "{}", self.0 / NANO) } else { write!(f, "{}m", self.milli_value()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_are_exact() {
        for (text, value, milli) in [
            ("0", 0, 0),
            ("1", 1, 1000),
            ("100m", 1, 100),
            ("200Mi", 209_715_200, 209_715_200_000),
            ("1.5", 2, 1500),
            (".5", 1, 500),
            ("1e3", 1000, 1_000_000),
            ("1E2", 100, 100_000),
            ("5e-1", 1, 500),
            ("1k", 1000, 1_000_000),
            ("-1", -1, -1000),
            ("+3", 3, 3000),
            ("1n", 1, 1),
            ("2Gi", 2_147_483_648, 2_147_483_648_000),
        ] {
            let quantity = Quantity::parse(text).expect(text);
            assert_eq!((quantity.value(), quantity.milli_value()), (value, milli), "{text}");
        }
        for text in ["", "m", "1.2.3", "1 Mi", "1mi", "abc", "1e", "--1", "1KiB", "0x1"] {
            assert_eq!(Quantity::parse(text), Err(NotAQuantity), "{text}");
        }
    }

    #[test]
    fn amounts_are_written_in_one_way() {
        for (text, written) in [
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1.5", "1500m"),
            ("100u", "1m"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("1024Mi", "1Gi"),
            ("0.5Gi", "512Mi"),
            ("1536Mi", "1536Mi"),
            ("0.5Ki", "512"),
            ("1.0005Ki", "1024512m"),
            ("0Mi", "0"),
            ("1e3", "1e3"),
            ("1E2", "100"),
            ("12e-1", "1200e-3"),
            ("1E", "1E"),
            ("2Ei", "2Ei"),
            ("+5", "5"),
            ("-1000m", "-1"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(written), "{text}");
        }
    }

    proptest! {
        #[test]
        fn writing_keeps_the_amount(milli in 0i64..10_000_000_000_000, suffix in "[mkMG]|[KMG]i|e[0-9]|") {
            let text = format!("{milli}{suffix}");
            let written = canonical(&text).expect("a quantity");
            prop_assert_eq!(Quantity::parse(&written), Quantity::parse(&text));
            prop_assert_eq!(canonical(&written), Ok(written));
        }

        #[test]
        fn parsing_keeps_order_and_sums(a in 0i64..1_000_000_000, b in 0i64..1_000_000_000) {
            let parse = |milli: i64| Quantity::parse(&format!("{milli}m")).expect("a quantity");
            prop_assert_eq!(parse(a) < parse(b), a < b);
            prop_assert_eq!((parse(a) + parse(b)).milli_value(), a + b);
            prop_assert_eq!(Quantity::parse(&parse(a).to_string()).expect("round trip"), parse(a));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = Quantity::parse(&text);
        }
    }
}
