//! Colours for classes.

/// Colours for new classes, in the order in which they are given out: red,
/// green, blue.
///
/// The first six are those of Okabe and Ito ("Color Universal Design", 2008)
/// but for sky blue and black. The others follow greedily, each as far as can
/// be from all before it, in OKLab, for normal and red- and green-blind sight
/// alike (Machado, Oliveira and Fernandes 2009), so the first ones are the
/// easiest to tell apart. None is close to the accent colour of the window,
/// which stands for proposals and selection.
pub const PALETTE: [[u8; 3]; 24] = [
    [230, 159, 0],
    [0, 158, 115],
    [213, 94, 0],
    [0, 114, 178],
    [240, 228, 66],
    [204, 121, 167],
    [135, 30, 75],
    [255, 210, 255],
    [0, 0, 255],
    [255, 75, 255],
    [75, 225, 165],
    [105, 15, 165],
    [135, 75, 0],
    [255, 150, 240],
    [225, 255, 210],
    [120, 90, 120],
    [210, 15, 195],
    [255, 75, 105],
    [195, 30, 75],
    [60, 75, 120],
    [150, 255, 150],
    [195, 165, 165],
    [75, 0, 210],
    [90, 90, 240],
];

/// The PASCAL VOC colour map: the bits of `id`, three at a time, spread over
/// the top bits of red, green and blue (as `VOClabelcolormap` of the VOC
/// development kit does). 255 is the light grey of "void" outlines.
pub const fn voc_color(id: u8) -> [u8; 3] {
    let mut color = [0; 3];
    let mut bits = id;
    let mut place = 7;
    while bits != 0 {
        color[0] |= (bits & 1) << place;
        color[1] |= (bits >> 1 & 1) << place;
        color[2] |= (bits >> 2 & 1) << place;
        bits >>= 3;
        place -= 1;
    }
    color
}

#[cfg(test)]
mod tests {
    use super::*;

    type Matrix = [[f64; 3]; 3];

    const NORMAL: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    // Machado et al. 2009, table 1, severity 1.0, for linear RGB.
    const GREEN_BLIND: Matrix = [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ];
    const RED_BLIND: Matrix = [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ];
    const ACCENT: [u8; 3] = [0x4c, 0xc2, 0xff];

    fn times(matrix: &Matrix, vector: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
    }

    /// Ottosson's OKLab of a colour as it is seen with `sight`.
    fn oklab(color: [u8; 3], sight: &Matrix) -> [f64; 3] {
        let linear = color.map(|byte| {
            let value = f64::from(byte) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        });
        let seen = times(sight, linear).map(|value| value.clamp(0.0, 1.0));
        let cones = times(
            &[
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ],
            seen,
        );
        times(
            &[
                [0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660],
            ],
            cones.map(f64::cbrt),
        )
    }

    fn distance(a: [u8; 3], b: [u8; 3], sight: &Matrix) -> f64 {
        let (a, b) = (oklab(a, sight), oklab(b, sight));
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>()
            .sqrt()
    }

    #[test]
    fn class_colours_can_be_told_apart_with_any_sight() {
        for (index, &a) in PALETTE.iter().enumerate() {
            for &b in &PALETTE[..index] {
                assert!(distance(a, b, &NORMAL) > 0.1, "{a:?} and {b:?}");
                assert!(distance(a, b, &GREEN_BLIND) > 0.065, "{a:?} and {b:?}");
                assert!(distance(a, b, &RED_BLIND) > 0.065, "{a:?} and {b:?}");
            }
            assert!(
                distance(a, ACCENT, &NORMAL) > 0.16,
                "{a:?} is close to the accent"
            );
        }
        assert!(
            distance([250, 0, 0], [240, 0, 0], &NORMAL) < 0.1,
            "the measure can fail"
        );
    }

    #[test]
    fn voc_colours_are_those_of_the_development_kit() {
        assert_eq!(voc_color(0), [0, 0, 0]);
        assert_eq!(voc_color(1), [128, 0, 0]);
        assert_eq!(voc_color(7), [128, 128, 128]);
        assert_eq!(voc_color(15), [192, 128, 128]);
        assert_eq!(voc_color(20), [0, 64, 128]);
        assert_eq!(voc_color(255), [224, 224, 192]);
    }
}
