use super::*;
use crate::nn::capture::Grid;
use proptest::prelude::*;

const VIEW: geometry::View = geometry::View {
    left: 0.0,
    top: 0.0,
    right: 60.0,
    bottom: 40.0,
};

fn map(rows: usize, columns: usize, values: &[f32]) -> Heatmap {
    Heatmap {
        grid: Grid { rows, columns },
        values: values.to_vec(),
    }
}

fn heat(map: &Heatmap, colors: ColorMap, interpolation: Interpolation) -> Heat<'_> {
    Heat {
        map,
        view: VIEW,
        colors,
        range: (0.0, 1.0),
        interpolation,
        opacity: 0.6,
        fades: false,
        serial: 1,
    }
}

fn rgb([red, green, blue]: [u8; 3]) -> Color32 {
    Color32::from_rgb(red, green, blue)
}

#[test]
fn nearest_is_one_pixel_of_exactly_its_colour_per_token() {
    let values = [0.0, 0.25, 0.5, 1.0, 2.0, f32::NAN];
    let map = map(2, 3, &values);
    let image = picture(&heat(&map, ColorMap::Viridis, Interpolation::Nearest)).unwrap();
    assert_eq!(image.size, [3, 2]);
    let expected = values.map(|value| rgb(ColorMap::Viridis.color(value)));
    assert_eq!(image.pixels, expected);
}

#[test]
fn differences_of_the_same_size_mirror_each_other() {
    let map = map(1, 3, &[-0.2, 0.0, 0.2]);
    let range = ValueRange::Symmetric.of(&[&map]);
    assert_eq!(range, (-0.2, 0.2));
    let image = picture(&Heat {
        range,
        ..heat(&map, ColorMap::Difference, Interpolation::Nearest)
    })
    .unwrap();
    let steps = [0, 128, 255].map(|step| rgb(ColorMap::Difference.step(step)));
    assert_eq!(image.pixels, steps);
}

#[test]
fn no_difference_at_all_is_pale() {
    let map = map(1, 2, &[0.0, 0.0]);
    let image = picture(&Heat {
        range: ValueRange::Symmetric.of(&[&map]),
        ..heat(&map, ColorMap::Difference, Interpolation::Nearest)
    })
    .unwrap();
    assert_eq!(image.pixels, [rgb(ColorMap::Difference.step(128)); 2]);
}

#[test]
fn bilinear_goes_through_values_not_colours() {
    let map = map(1, 2, &[0.0, 1.0]);
    let image = picture(&heat(&map, ColorMap::Viridis, Interpolation::Bilinear)).unwrap();
    assert_eq!(image.size, [256, 128]);
    let row = &image.pixels[..256];
    assert_eq!(row[0], rgb(ColorMap::Viridis.color(0.0)));
    assert_eq!(row[255], rgb(ColorMap::Viridis.color(1.0)));
    // Half a token from both centres is the middle value, which is green; the
    // mean of the two colours would be a greyish olive.
    let middle = ColorMap::Viridis.color((127.5 - 64.0) / 128.0);
    assert_eq!(row[127], rgb(middle));
}

#[test]
fn maps_that_do_not_fill_their_grid_are_not_drawn() {
    for (rows, columns, count) in [(0, 0, 0), (0, 4, 0), (2, 2, 3), (2, 2, 5), (3, 1, 0)] {
        let map = map(rows, columns, &vec![0.5; count]);
        for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
            let drawn = picture(&heat(&map, ColorMap::Grey, interpolation));
            assert!(drawn.is_none(), "{rows} {columns} {count}");
        }
    }
}

/// Run a frame that paints `heat`; says what was painted as (clip, bounds), and
/// how many pictures were uploaded.
fn frame(ctx: &Context, picture: &mut HeatPicture, heat: &Heat<'_>) -> (Vec<[Rect; 2]>, usize) {
    let canvas = Rect::from_min_size(Pos2::ZERO, Vec2::splat(200.0));
    let view = View {
        center: Pos2::new(50.0, 50.0),
        ..View::default()
    };
    let input = egui::RawInput {
        screen_rect: Some(canvas),
        ..egui::RawInput::default()
    };
    let output = ctx.run_ui(input, |ui| {
        picture.paint(&ui.painter_at(canvas), canvas, &view, (50, 50), heat);
    });
    let painted = output.shapes.iter();
    let painted = painted
        .filter(|shape| shape.shape.texture_id() != egui::TextureId::default())
        .map(|shape| [shape.clip_rect, shape.shape.visual_bounding_rect()])
        .collect();
    let id = picture.texture.as_ref().map(TextureHandle::id);
    let uploads = output.textures_delta.set.keys();
    let uploads = uploads.filter(|upload| Some(**upload) == id).count();
    output.drop_without_applying_deltas();
    (painted, uploads)
}

#[test]
fn only_a_new_serial_uploads_and_the_texture_stays_the_same() {
    let (ctx, mut picture) = (Context::default(), HeatPicture::default());
    let map = map(1, 2, &[0.0, 1.0]);
    let mut heat = heat(&map, ColorMap::Grey, Interpolation::Nearest);
    assert_eq!(frame(&ctx, &mut picture, &heat).1, 1);
    let id = picture.texture.as_ref().map(TextureHandle::id);
    assert_eq!(frame(&ctx, &mut picture, &heat).1, 0);
    heat.serial = 2;
    heat.interpolation = Interpolation::Bilinear;
    assert_eq!(frame(&ctx, &mut picture, &heat).1, 1);
    assert_eq!(picture.texture.as_ref().map(TextureHandle::id), id);
}

#[test]
fn what_is_beyond_the_photo_is_cut_off() {
    let (ctx, mut picture) = (Context::default(), HeatPicture::default());
    let map = map(1, 2, &[0.0, 1.0]);
    // Photo pixels are points; the photo's corner is at (50, 50) on screen.
    let (painted, _) = frame(
        &ctx,
        &mut picture,
        &heat(&map, ColorMap::Grey, Interpolation::Nearest),
    );
    let whole = Rect::from_min_size(Pos2::new(50.0, 50.0), Vec2::new(60.0, 40.0));
    let photo = Rect::from_min_size(Pos2::new(50.0, 50.0), Vec2::splat(50.0));
    assert_eq!(painted, [[photo, whole]]);
}

proptest! {
    #[test]
    fn no_values_make_it_panic(
        rows in 0usize..6,
        columns in 0usize..6,
        values in prop::collection::vec(any::<f32>(), 0..36),
        low in any::<f32>(),
        high in any::<f32>(),
        bilinear in any::<bool>(),
    ) {
        let map = map(rows, columns, &values);
        let interpolation = if bilinear { Interpolation::Bilinear } else { Interpolation::Nearest };
        let heat = Heat { range: (low, high), ..heat(&map, ColorMap::Turbo, interpolation) };
        let fits = rows * columns > 0 && values.len() == rows * columns;
        prop_assert_eq!(picture(&heat).is_some(), fits);
    }
}
