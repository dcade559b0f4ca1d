//! A picture to draw charts on: rectangles and text.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, Glyph, PxScaleFont, ScaleFont, point};

/// The font of the window, in which charts are written, too.
static FONT: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| {
    FontRef::try_from_slice(include_bytes!("../../assets/fonts/Inter-Regular.otf")).ok()
});

/// An opaque picture: 8-bit RGB, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canvas {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

/// Which end of a text lies at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// Which way a text runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// From left to right.
    Level,
    /// From bottom to top.
    Up,
}

impl Canvas {
    /// A picture of one colour.
    pub fn new(width: usize, height: usize, color: [u8; 3]) -> Self {
        Self {
            width,
            height,
            rgb: color.repeat(width * height),
        }
    }

    /// A picture to go on with: `rgb` holds `width * height * 3` bytes; what is
    /// missing is black.
    pub fn of_rgb(width: usize, height: usize, mut rgb: Vec<u8>) -> Self {
        rgb.resize(width * height * 3, 0);
        Self { width, height, rgb }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// `width * height * 3` bytes.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The colour of a pixel.
    pub fn pixel(&self, x: usize, y: usize) -> Option<[u8; 3]> {
        let inside = x < self.width && y < self.height;
        let at = inside.then(|| 3 * (y * self.width + x))?;
        Some([self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]])
    }

    /// Fill a rectangle from the pixel (x, y) on, as far as it is inside.
    pub fn fill(&mut self, (x, y): (usize, usize), size: (usize, usize), color: [u8; 3]) {
        let columns = x.min(self.width)..x.saturating_add(size.0).min(self.width);
        let rows = y.min(self.height)..y.saturating_add(size.1).min(self.height);
        for row in self
            .rgb
            .chunks_exact_mut(3 * self.width.max(1))
            .take(rows.end)
            .skip(rows.start)
        {
            let pixels = row[3 * columns.start..3 * columns.end]
                .as_chunks_mut::<3>()
                .0;
            pixels.fill(color);
        }
    }

    /// Write a line of text, `size` pixels high from ascender to descender. Its
    /// `anchor` is at `place`, and its middle, across the direction that it runs
    /// in, too.
    pub fn text(
        &mut self,
        text: &str,
        place: (f32, f32),
        size: f32,
        (anchor, turn): (Anchor, Turn),
        color: [u8; 3],
    ) {
        let Some(font) = FONT.as_ref().map(|font| font.as_scaled(size)) else {
            return;
        };
        let (glyphs, length) = laid_out(text, &font);
        let start = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -length / 2.0,
            Anchor::End => -length,
        };
        let baseline = (font.ascent() + font.descent()) / 2.0;
        for mut glyph in glyphs {
            glyph.position.x += start;
            glyph.position.y = baseline;
            let Some(outline) = font.outline_glyph(glyph) else {
                continue;
            };
            let bounds = outline.px_bounds();
            outline.draw(|column, row, coverage| {
                let along = bounds.min.x + column as f32;
                let across = bounds.min.y + row as f32;
                // The pixel's corner nearest to the origin, turned with it.
                let (x, y) = match turn {
                    Turn::Level => (along, across),
                    Turn::Up => (across, -along - 1.0),
                };
                self.blend((place.0.round() + x, place.1.round() + y), color, coverage);
            });
        }
    }

    fn blend(&mut self, (x, y): (f32, f32), color: [u8; 3], coverage: f32) {
        if x < 0.0 || y < 0.0 || x >= self.width as f32 || y >= self.height as f32 {
            return;
        }
        let at = 3 * (y as usize * self.width + x as usize);
        for (own, color) in self.rgb[at..at + 3].iter_mut().zip(color) {
            let share = coverage.clamp(0.0, 1.0);
            let mixed = f32::from(*own) * (1.0 - share) + f32::from(color) * share;
            *own = mixed.round() as u8;
        }
    }
}

/// The length of a line of text in pixels.
pub fn text_width(text: &str, size: f32) -> f32 {
    let font = FONT.as_ref().map(|font| font.as_scaled(size));
    font.map_or(0.0, |font| laid_out(text, &font).1)
}

/// The glyphs of a text from the origin on, and their length.
fn laid_out(text: &str, font: &PxScaleFont<&FontRef<'static>>) -> (Vec<Glyph>, f32) {
    let (mut glyphs, mut at, mut last) = (Vec::new(), 0.0, None);
    for letter in text.chars() {
        let id = font.glyph_id(letter);
        at += last.map_or(0.0, |last| font.kern(last, id));
        glyphs.push(id.with_scale_and_position(font.scale(), point(at, 0.0)));
        at += font.h_advance(id);
        last = Some(id);
    }
    (glyphs, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: [u8; 3] = [255; 3];
    const BLACK: [u8; 3] = [0; 3];

    /// The box around everything dark: first and last column, first and last row.
    fn ink(canvas: &Canvas) -> Option<[usize; 4]> {
        let dark = (0..canvas.width() * canvas.height())
            .filter(|at| canvas.rgb()[3 * at] < 128)
            .map(|at| (at % canvas.width(), at / canvas.width()));
        dark.fold(None, |found, (x, y)| {
            let [x0, x1, y0, y1] = found.unwrap_or([x, x, y, y]);
            Some([x0.min(x), x1.max(x), y0.min(y), y1.max(y)])
        })
    }

    #[test]
    fn rectangles_are_cut_at_the_edges() {
        let mut canvas = Canvas::new(4, 3, WHITE);
        canvas.fill((2, 1), (9, usize::MAX), BLACK);
        assert_eq!(ink(&canvas), Some([2, 3, 1, 2]));
        canvas.fill((7, 7), (1, 1), [9; 3]);
        assert_eq!(canvas.pixel(3, 2), Some(BLACK));
        assert_eq!((canvas.pixel(4, 0), canvas.pixel(0, 3)), (None, None));
        Canvas::new(0, 0, WHITE).fill((0, 0), (1, 1), BLACK);
        let given = Canvas::of_rgb(2, 1, vec![7, 8, 9]);
        assert_eq!(
            (given.pixel(0, 0), given.pixel(1, 0)),
            (Some([7, 8, 9]), Some(BLACK))
        );
    }

    #[test]
    fn text_lies_where_it_is_put() {
        let written = |anchor, turn| {
            let mut canvas = Canvas::new(200, 200, WHITE);
            canvas.text("HHHHH", (100.0, 100.0), 24.0, (anchor, turn), BLACK);
            ink(&canvas).unwrap()
        };
        let length = text_width("HHHHH", 24.0) as usize;
        let level = written(Anchor::Start, Turn::Level);
        assert!(level[0] >= 100 && level[1] <= 101 + length && level[1] + 5 > 100 + length);
        let middle = level[2].midpoint(level[3]);
        assert!((98..=102).contains(&middle), "{level:?}");
        assert!(written(Anchor::End, Turn::Level)[1] <= 100);
        let up = written(Anchor::Start, Turn::Up);
        assert!(up[3] <= 100 && up[2] + length >= 95, "{up:?}");
        assert_eq!(up[1] - up[0], level[3] - level[2], "turned, not squeezed");
        let centred = written(Anchor::Middle, Turn::Level);
        assert!(centred[0] < 100 && centred[1] > 100);
    }

    #[test]
    fn text_at_the_edge_is_cut() {
        let mut canvas = Canvas::new(10, 10, WHITE);
        canvas.text(
            "Ägypten ☃",
            (-5.0, 9.0),
            16.0,
            (Anchor::Start, Turn::Level),
            BLACK,
        );
        canvas.text("", (5.0, 5.0), 16.0, (Anchor::End, Turn::Up), BLACK);
        assert_eq!(text_width("", 16.0), 0.0);
    }
}
