//! Numbers and positions, as the format writes them.

/// The reason why a word is not a valid number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberError {
    /// The word is not a number.
    NotANumber,
    /// The number exceeds 64 bits.
    TooLarge,
}

/// Reads a decimal number, or a hexadecimal one with `0x`.
pub(crate) fn number(word: &str) -> Result<u64, NumberError> {
    let (digits, radix) = match word.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (word, 10),
    };
    // `from_str_radix` would accept a sign as well.
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(NumberError::NotANumber);
    }
    u64::from_str_radix(digits, radix).map_err(|_| NumberError::TooLarge)
}

/// Checks one column of a position: a number, `+n` or `-n` relative to the one before, or `*` for the same.
/// Costs are kept per function and file, so the position itself is not kept.
pub(crate) fn check_position(word: &str) -> Result<(), NumberError> {
    if word == "*" {
        return Ok(());
    }
    let distance = word.strip_prefix(['+', '-']).unwrap_or(word);
    number(distance).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(number("0"), Ok(0));
        assert_eq!(number("0x1F"), Ok(31));
        assert_eq!(number("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(number("18446744073709551616"), Err(NumberError::TooLarge));
        assert_eq!(number("0x10000000000000000"), Err(NumberError::TooLarge));
        for wrong in ["", "0x", "-1", "+1", "1e3", "1 ", "ten", "0x-1", "٣"] {
            assert_eq!(number(wrong), Err(NumberError::NotANumber), "{wrong:?}");
        }
    }

    #[test]
    fn positions_may_be_relative() {
        for right in ["7", "0x7", "+7", "-7", "+0x7", "*"] {
            assert_eq!(check_position(right), Ok(()), "{right:?}");
        }
        for wrong in ["", "+", "**", "+-7", "*7"] {
            assert_eq!(check_position(wrong), Err(NumberError::NotANumber), "{wrong:?}");
        }
    }
}
