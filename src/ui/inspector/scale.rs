//! Numbers on scales: round ones for ticks, short ones for read-outs.

/// Round numbers between `low` and `high`: 3 to 5 of them, multiples of 1, 2, 2.5
/// or 5 times a power of ten. The only value where both are the same; none where
/// there is no such range.
pub fn ticks((low, high): (f32, f32)) -> Vec<f64> {
    let (low, high) = (f64::from(low), f64::from(high));
    let span = high - low;
    if !span.is_finite() || span < 0.0 {
        return Vec::new();
    }
    if span == 0.0 {
        return vec![low];
    }
    // The first that is coarse enough; each is at most twice the one before, so
    // that six multiples of one make three of the next.
    let power = (span / 5.0).log10().floor() as i32;
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0, 20.0].map(|factor| factor * 10f64.powi(power));
    let fits = |step: f64| multiples(low, high, step).count() <= 5;
    let step = steps.into_iter().find(|step| fits(*step));
    let step = step.filter(|step| *step > 0.0);
    step.map_or(Vec::new(), |step| multiples(low, high, step).collect())
}

/// The multiples of `step` from `low` to `high`, the ends included as far as
/// rounding allows to tell.
fn multiples(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    const ROUNDING: f64 = 1e-6;
    let first = (low / step - ROUNDING).ceil();
    let count = (high / step + ROUNDING).floor() - first;
    (0..=count.clamp(-1.0, 100.0) as i64).map(move |index| (first + index as f64) * step)
}

/// A number with three digits that count, without zeros at its end: `0.0125`,
/// `120`, `3.1×10⁻⁶`. With a power of ten only below 0.0001 and from a
/// million on.
pub fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}").replace("-0", "0").replace('-', "−");
    }
    let sign = if value < 0.0 { "−" } else { "" };
    // Rounded first: 0.0009999 is 0.001, with the decimals of that.
    let scientific = format!("{:.2e}", value.abs());
    let (mantissa, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = power.parse().unwrap_or_default();
    if (-4..6).contains(&power) {
        let decimals = (2 - power).max(0) as usize;
        return format!(
            "{sign}{}",
            without_zeros(&format!("{:.decimals$}", value.abs()))
        );
    }
    let power = superscript(power);
    format!("{sign}{}×10{power}", without_zeros(mantissa))
}

fn without_zeros(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

fn superscript(number: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let raise = |character: char| {
        let digit = character
            .to_digit(10)
            .and_then(|at| DIGITS.get(at as usize));
        digit.copied().unwrap_or('⁻')
    };
    number.to_string().chars().map(raise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(low: f32, high: f32) -> Vec<String> {
        ticks((low, high)).into_iter().map(number).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(texts(0.0, 1.0), ["0", "0.25", "0.5", "0.75", "1"]);
        assert_eq!(texts(0.0, 0.0063), ["0", "0.002", "0.004", "0.006"]);
        assert_eq!(texts(-0.03, 0.03), ["−0.02", "0", "0.02"]);
        assert_eq!(texts(0.00013, 0.00047), ["0.0002", "0.0003", "0.0004"]);
        assert_eq!(texts(0.0, 7e-6), ["0", "2×10⁻⁶", "4×10⁻⁶", "6×10⁻⁶"]);
        assert_eq!(texts(1.9, 12.1), ["2.5", "5", "7.5", "10"]);
        assert_eq!(texts(12.0, 180.0), ["50", "100", "150"]);
    }

    #[test]
    fn what_is_no_range_has_no_ticks() {
        assert_eq!(texts(0.5, 0.5), ["0.5"]);
        assert!(texts(1.0, 0.0).is_empty());
        assert!(texts(f32::NAN, 1.0).is_empty());
        assert!(texts(0.0, f32::INFINITY).is_empty());
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.012_345, "0.0123"),
            (0.000_999_9, "0.001"),
            (0.000_123_4, "0.000123"),
            (0.000_012_34, "1.23×10⁻⁵"),
            (-4.5e-10, "−4.5×10⁻¹⁰"),
            (123.4, "123"),
            (99_999.0, "99999"),
            (4e6, "4×10⁶"),
            (7.89e17, "7.89×10¹⁷"),
            (1.0, "1"),
            (100.0, "100"),
        ] {
            assert_eq!(number(value), text, "{value}");
        }
    }

    proptest! {
        #[test]
        fn there_are_three_to_five(low in -1e6f32..1e6, span in 1e-3f32..1e6) {
            let high = low + span;
            prop_assume!(high > low);
            let found = ticks((low, high));
            prop_assert!((3..=5).contains(&found.len()), "{:?}", found);
            let slack = f64::from(high - low) * 1e-3;
            for tick in &found {
                prop_assert!(*tick >= f64::from(low) - slack && *tick <= f64::from(high) + slack);
            }
            let _ = found.iter().map(|tick| number(*tick)).collect::<String>();
        }

        #[test]
        fn anything_has_a_text(value in any::<f64>(), low in any::<f32>(), high in any::<f32>()) {
            prop_assert!(!number(value).is_empty());
            prop_assert!(ticks((low, high)).len() <= 5);
        }
    }
}
