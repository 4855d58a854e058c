//! The index of the maximum.

/// The index of the largest value, the lowest of equals; none for an empty slice.
#[must_use]
pub fn arg_max(x: &[i32]) -> Option<usize> {
    let largest = x.iter().copied().max()?;
    x.iter().position(|&value| value == largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equals_the_lowest_index_wins() {
        assert_eq!(arg_max(&[]), None);
        assert_eq!(arg_max(&[i32::MIN]), Some(0));
        assert_eq!(arg_max(&[1, 7, 3, 7, 7]), Some(1));
        assert_eq!(arg_max(&[-5, i32::MIN, -5]), Some(0));
    }
}
