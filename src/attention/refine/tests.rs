use super::zone::row_spans;
use super::*;
use crate::attention::testing::grid;
use crate::label::Rect;
use crate::nn::testing::noise;
use crate::task::{Cancel, detached};
use proptest::prelude::*;

/// A photo whose colours are `color(x, y)` and a little noise.
fn photo(size: (usize, usize), color: impl Fn(usize, usize) -> [u8; 3]) -> Vec<u8> {
    let noise = noise(size.0 * size.1 * 3, 8);
    let pixels = (0..size.0 * size.1).flat_map(|i| color(i % size.0, i / size.0));
    let value = |(value, noise): (u8, &f32)| (f32::from(value) + 4.0 * noise) as u8;
    pixels.zip(&noise).map(value).collect()
}

fn guide(size: (usize, usize), color: impl Fn(usize, usize) -> [u8; 3]) -> Guide {
    detached(|task| Guide::new(&photo(size, color), size, task)).unwrap()
}

fn refine(guide: &Guide, tokens: &TokenMask, view: View) -> Mask {
    detached(|task| guide.refine(&tokens.heatmap(), view, task)).unwrap()
}

const RED: [u8; 3] = [180, 60, 50];
const GREEN: [u8; 3] = [90, 120, 60];

#[test]
fn a_pixel_belongs_to_the_token_that_holds_its_centre() {
    let view = View {
        left: -2.0,
        top: 1.4,
        right: 10.0,
        bottom: 6.4,
    };
    // Tokens of 3 × 2.5 pixels.
    let tokens = TokenMask::from_tokens(grid(2, 4), &[(0, 0), (1, 1), (1, 2)]);
    let mask = blocky(&tokens, view, (8, 6));
    let first = Mask::from_rect(Rect::new(0, 1, 1, 4));
    let others = Mask::from_rect(Rect::new(1, 4, 7, 6));
    assert_eq!(mask, first.union(&others));
    for x in 0..8 {
        for y in 0..6 {
            let at = view.token_from_image(tokens.grid, f64::from(x) + 0.5, f64::from(y) + 0.5);
            let inside = at.is_some_and(|(row, column)| tokens.at(row, column));
            assert_eq!(mask.contains(x, y), inside, "({x}, {y})");
        }
    }
    assert!(blocky(&TokenMask::empty(grid(0, 0)), view, (8, 6)).is_empty());
}

#[test]
fn the_mask_ends_where_colours_change() {
    // Tokens of 16 pixels; the edge is at 70 pixels, in the middle of a token.
    let size = (160, 96);
    let guide = guide(size, |x, _| if x < 70 { RED } else { GREEN });
    let left: Vec<_> = (0..24).map(|i| (i / 4, i % 4)).collect();
    let tokens = TokenMask::from_tokens(grid(6, 10), &left);
    let mask = refine(&guide, &tokens, View::whole(size));
    let edges: Vec<u32> = mask.spans().iter().map(|span| span.x1).collect();
    assert_eq!(edges.len(), 96);
    let off = edges.iter().filter(|edge| edge.abs_diff(70) > 1).count();
    assert!(off <= 4, "{edges:?}");
    assert!(mask.spans().iter().all(|span| span.x0 == 0));
}

#[test]
fn parts_of_a_few_tokens_are_not_smoothed_away() {
    // Tokens of 16 pixels: one by itself on even colour, two with an edge.
    let size = (320, 160);
    let guide = guide(size, |x, _| if x < 200 { RED } else { GREEN });
    let view = View::whole(size);
    let tokens = TokenMask::from_tokens(grid(10, 20), &[(2, 3), (6, 11), (7, 11)]);
    let mask = refine(&guide, &tokens, view);
    let parts = mask.components();
    assert_eq!(parts.len(), 2, "{mask:?}");
    let likeness: Vec<f64> = parts
        .iter()
        .zip(tokens.components())
        .map(|(part, token)| {
            let exact = blocky(&token, view, size);
            let share = part.area() as f64 / exact.area() as f64;
            assert!((0.5..1.2).contains(&share), "{share}");
            part.iou(&exact)
        })
        .collect();
    assert!(likeness[0] > 0.55 && likeness[1] > 0.3, "{likeness:?}");
    // The two tokens reach from 176 to 192, the photo's edge is at 200: what is
    // taken lies on their side of it.
    assert!(parts[1].bounds().x1 <= 201, "{:?}", parts[1].bounds());
    assert_eq!(lift(vec![0.6, 0.1, 0.4], 1), None);
    assert_eq!(lift(vec![0.6], 2), None);
    let raised = lift(vec![0.1, 0.3, 0.2, f32::NEG_INFINITY], 2).unwrap();
    assert!(raised + 0.2 > THRESHOLD && raised + 0.1 < THRESHOLD);
}

/// Which tokens a disc covers by half.
fn disc(size: (usize, usize), radius: f64) -> Mask {
    let middle = (size.0 as f64 / 2.0, size.1 as f64 / 2.0);
    let area = Rect::of_size(size.0 as u32, size.1 as u32);
    Mask::from_fn(area, |x, y| {
        let (dx, dy) = (f64::from(x) + 0.5 - middle.0, f64::from(y) + 0.5 - middle.1);
        dx.hypot(dy) < radius
    })
}

#[test]
fn a_disc_is_round_at_every_size() {
    for size in [(150, 120), (900, 700), (2600, 1800)] {
        let truth = disc(size, 0.3 * size.1 as f64);
        let guide = guide(size, |x, y| {
            let inside = truth.contains(x as u32, y as u32);
            if inside { RED } else { GREEN }
        });
        let (view, map) = (View::whole(size), grid(14, 14));
        let covered = crate::attention::tokens_under(&truth, view, map);
        let tokens = TokenMask::from_tokens(map, &covered);
        let (fine, coarse) = (refine(&guide, &tokens, view), blocky(&tokens, view, size));
        assert!(coarse.iou(&truth) < 0.92, "{}", coarse.iou(&truth));
        assert!(fine.iou(&truth) > 0.97, "{size:?}: {}", fine.iou(&truth));
        assert_eq!(fine.components().len(), 1);
        assert!(guide.bytes() <= 3 * 1024 * 1024);
    }
}

#[test]
fn what_lies_beside_the_photo_is_left_out() {
    // A frame of which the photo is the upper half.
    let size = (120, 60);
    let guide = guide(size, |x, _| if x < 55 { RED } else { GREEN });
    let view = View::whole((120, 120));
    let left: Vec<_> = (0..12 * 5).map(|i| (i / 5, i % 5)).collect();
    let tokens = TokenMask::from_tokens(grid(12, 12), &left);
    let mask = refine(&guide, &tokens, view);
    assert_eq!(mask.bounds().y1, 60);
    let truth = Mask::from_rect(Rect::new(0, 0, 55, 60));
    assert!(mask.iou(&truth) > 0.97, "{}", mask.iou(&truth));
}

#[test]
fn photos_of_any_size_are_fine() {
    for size in [(1, 1), (3, 500), (500, 3), (2, 2), (5000, 1), (1, 3000)] {
        let guide = guide(size, |_, _| RED);
        for map in [grid(1, 1), grid(7, 7), grid(64, 3)] {
            let all = TokenMask {
                on: vec![true; map.len()],
                grid: map,
            };
            let mask = refine(&guide, &all, View::whole(size));
            let pixels = (size.0 * size.1) as u64;
            assert_eq!(mask.area(), pixels, "{size:?}, {map:?}");
        }
    }
}

#[test]
fn odd_maps_and_views_do_no_harm() {
    let size = (40, 30);
    let guide = guide(size, |_, _| RED);
    let refine = |values: Vec<f32>, view| {
        let map = Heatmap {
            grid: grid(2, 2),
            values,
        };
        detached(|task| guide.refine(&map, view, task))
    };
    let whole = View::whole(size);
    assert!(refine(vec![f32::NAN; 4], whole).unwrap().is_empty());
    assert!(refine(vec![0.4; 4], whole).unwrap().is_empty());
    assert_eq!(refine(vec![9.0; 4], whole).unwrap().area(), 1200);
    for edge in [f64::NAN, f64::INFINITY, 0.0, -50.0] {
        let view = View {
            right: edge,
            ..whole
        };
        refine(vec![1.0; 4], view).unwrap();
    }
    let error = refine(vec![1.0; 3], whole).unwrap_err().to_string();
    assert!(error.contains("4 values, got 3"), "{error}");
}

#[test]
fn photos_without_pixels_and_cancelled_work_are_refused() {
    let new = |rgb: &[u8], size| detached(|task| Guide::new(rgb, size, task)).unwrap_err();
    assert!(matches!(
        new(&[0; 5], (2, 1)),
        AttentionError::PhotoSize { .. }
    ));
    assert!(matches!(
        new(&[], (usize::MAX, 9)),
        AttentionError::PhotoSize { .. }
    ));
    assert_eq!(new(&[], (0, 9)), AttentionError::EmptyPhoto);
    let cancel = Cancel::new();
    let guide = guide((9, 9), |_, _| RED);
    cancel.cancel();
    let task = Task::new(&cancel, &|_| {});
    let all = Heatmap {
        grid: grid(1, 1),
        values: vec![1.0],
    };
    let refused = guide.refine(&all, View::whole((9, 9)), task);
    assert_eq!(refused, Err(AttentionError::Cancelled));
}

#[test]
fn crossings_are_between_the_values() {
    let spans = |line: &[f32]| {
        let spans = row_spans(line, (0, 4.0), (0, 4 * line.len()));
        spans
            .iter()
            .map(|span| (span.x0, span.x1))
            .collect::<Vec<_>>()
    };
    // Values stand at 2, 6, 10 and 14.
    assert_eq!(spans(&[0.0, 1.0, 1.0, 0.0]), [(4, 12)]);
    assert_eq!(spans(&[1.0, 0.0, 0.0, 0.75]), [(0, 4), (13, 16)]);
    assert_eq!(spans(&[0.5, 0.5]), []);
    assert_eq!(spans(&[0.6, 0.6]), [(0, 8)]);
    assert_eq!(spans(&[f32::NAN, 1.0]).len(), 1);
    // The same line, further to the right.
    let further = row_spans(&[0.0, 1.0, 1.0, 1.0], (5, 4.0), (3, 100));
    assert_eq!(further, [Span::new(3, 24, 36)]);
}

/// Noise on patches of two colours, 60 × 40 pixels to a patch.
fn patchwork(size: (usize, usize)) -> Guide {
    guide(size, |x, y| match (x / 60 + y / 40) % 2 {
        0 => RED,
        _ => GREEN,
    })
}

/// By the whole photo, as far as the set reaches.
fn by_the_whole_photo(guide: &Guide, tokens: &TokenMask, view: View) -> Mask {
    let refiner = guide.refiner(tokens.grid, view);
    let (width, height) = guide.size;
    let all = Zone {
        x: 0..width,
        y: 0..height,
    };
    let filtered = refiner.apply(&refiner.fit(&tokens.heatmap(), &all), &all);
    let filtered = refiner.lifted(filtered, tokens, &all);
    let mask = Mask::from_spans(spans(&filtered, &all, guide.size, guide.photo));
    let mask = mask.intersect(&blocky(&tokens.dilated(), view, guide.photo));
    let speck = (SPECK * refiner.token.0 * refiner.token.1).ceil() as u64;
    mask.drop_islands_below(speck).fill_holes_below(speck)
}

#[test]
fn what_is_far_away_has_no_part_in_a_small_area() {
    for (size, side) in [((640, 480), 32), ((1500, 1100), 20), ((97, 64), 16)] {
        let guide = patchwork(size);
        let (view, map) = (View::whole(size), grid(side, side));
        let last = side - 1;
        for tokens in [
            vec![(5, 7), (5, 8), (6, 8)],
            vec![(0, 0), (0, 1)],
            vec![(last, last)],
            vec![(2, 2), (9, 9)],
        ] {
            let tokens = TokenMask::from_tokens(map, &tokens);
            let (near, whole) = (
                refine(&guide, &tokens, view),
                by_the_whole_photo(&guide, &tokens, view),
            );
            assert!(!whole.is_empty());
            // But for the order of sums.
            assert!(near.iou(&whole) > 0.999, "{size:?} {}", near.iou(&whole));
        }
    }
}

#[test]
fn a_small_area_is_little_work() {
    let size = (1024, 768);
    let guide = patchwork(size);
    let refiner = guide.refiner(grid(64, 64), View::whole(size));
    let tokens = TokenMask::from_tokens(refiner.grid, &[(20, 20), (20, 21)]);
    let zone = refiner.zone(&tokens.dilated()).unwrap();
    // 4 × 3 tokens of 16 × 12 pixels and two on each side.
    assert_eq!(zone.size(), (68, 40));
    let fit = refiner.fit(&tokens.heatmap(), &zone);
    assert!(fit.linear.len() < refiner.colors.len() / 20);
    let all = TokenMask {
        grid: refiner.grid,
        on: vec![true; 64 * 64],
    };
    assert_eq!(refiner.zone(&all).unwrap().size(), size);
    assert!(refiner.zone(&TokenMask::empty(refiner.grid)).is_none());
    let other = Heatmap::zeros(grid(3, 3));
    let refused = detached(|task| refiner.refine(&other, task));
    assert!(matches!(refused, Err(AttentionError::OtherGrid { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn it_stays_within_a_token_of_the_set(
        on in prop::collection::vec(prop::bool::weighted(0.2), 48),
        seed in 0u64..1000,
        size in (1usize..90, 1usize..90),
    ) {
        let tokens = TokenMask { grid: grid(6, 8), on };
        let noise = noise(size.0 * size.1 * 3, seed);
        let rgb: Vec<u8> = noise.iter().map(|v| (v * 127.0 + 128.0) as u8).collect();
        let guide = detached(|task| Guide::new(&rgb, size, task)).unwrap();
        let view = View { left: -7.0, top: 3.0, right: 100.0, bottom: 80.0 };
        let mask = refine(&guide, &tokens, view);
        let (width, height) = (view.width() / 8.0, view.height() / 6.0);
        for span in mask.spans() {
            for x in span.x0..span.x1 {
                let (x, y) = (f64::from(x) + 0.5, f64::from(span.y) + 0.5);
                let near = tokens.tokens().iter().any(|(row, column)| {
                    let token = view.image_from_token(tokens.grid, *row, *column);
                    let across = token.left - 1.5 * width..=token.right + 1.5 * width;
                    let down = token.top - 1.5 * height..=token.bottom + 1.5 * height;
                    across.contains(&x) && down.contains(&y)
                });
                prop_assert!(near, "({x}, {y})");
            }
        }
    }
}
