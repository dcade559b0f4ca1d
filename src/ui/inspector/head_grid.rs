//! All attention heads of all layers as thumbnails, for one query: layers from
//! top to bottom, attention heads from left to right.

use egui::{
    Align2, Color32, Context, EventFilter, FontId, Id, Key, Mesh, Painter, Pos2, Rect, RectAlign,
    Response, ScrollArea, Sense, Shape, Stroke, StrokeKind, TextureHandle, TextureOptions, Tooltip,
    Ui, Vec2, WidgetInfo,
};

use super::thumbnails::{self, Sheet};
use crate::attention::{ColorMap, Heatmap, between_frames};
use crate::ui::theme::{self, Colors, size};

/// Corners of thumbnails and their rings, in points.
const CORNER: f32 = 2.0;
/// How much higher or lower than wide a thumbnail may be.
const ASPECT: std::ops::RangeInclusive<f32> = 0.5..=1.5;

/// The attention heads of a layer.
#[derive(Clone, Copy, Debug)]
pub struct LayerThumbs<'a> {
    /// The layer's name in its model.
    pub name: &'a str,
    /// A heatmap per attention head; none if the layer cannot answer the query.
    pub maps: &'a [Heatmap],
    /// Why it cannot.
    pub reason: Option<&'a str>,
    /// Number of attention heads.
    pub heads: usize,
}

/// What the grid shows. Attention heads are named by (layer, attention head),
/// both from 0.
#[derive(Clone, Copy)]
pub struct GridInput<'a> {
    /// The layers, first to last.
    pub layers: &'a [LayerThumbs<'a>],
    /// Those shown on the canvas: one, or a set that is fused.
    pub chosen: &'a [(usize, usize)],
    /// The one that these are compared with.
    pub compared: Option<(usize, usize)>,
    /// The one that the pointer is on elsewhere.
    pub highlighted: Option<(usize, usize)>,
    /// Whether an attention head is switched off.
    pub off: &'a dyn Fn(usize, usize) -> bool,
    /// The colour map.
    pub colors: ColorMap,
    /// Whether all maps share one range of values, else each has its own.
    pub shared_range: bool,
    /// Another one whenever maps, colours or range change.
    pub serial: u64,
}

/// What the user did, to (layer, attention head).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridAction {
    /// Show this one alone.
    Choose(usize, usize),
    /// Compare the chosen one with this one.
    Compare(usize, usize),
    /// Add this one to the chosen ones, or take it out.
    ToggleInSet(usize, usize),
    /// Switch this one off, or on again.
    ToggleOff(usize, usize),
    /// The pointer is on this one.
    Hover(usize, usize),
}

/// The grid and the texture of its thumbnails.
#[derive(Default)]
pub struct HeadGrid {
    /// The serial and the largest size in texels that the texture was drawn for.
    drawn: Option<(u64, [usize; 2])>,
    sheet: Sheet,
    texture: Option<TextureHandle>,
}

impl HeadGrid {
    /// Show the grid; what the user does goes to `out`.
    pub fn show(&mut self, ui: &mut Ui, input: &GridInput<'_>, out: &mut Vec<GridAction>) {
        let layout = Layout::new(ui.available_width(), input.layers);
        let texels = (layout.cell * ui.pixels_per_point()).ceil();
        self.refresh(ui.ctx(), input, [texels.x as usize, texels.y as usize]);
        ScrollArea::both()
            .id_salt("attention heads")
            .max_height(size::HEAD_GRID)
            .auto_shrink([false, true])
            .show(ui, |ui| {
                let (rect, _) = ui.allocate_exact_size(layout.extent, Sense::hover());
                let places = layout.at(rect.min);
                numbers(ui, &places, input);
                self.pictures(ui, &places, input);
                cells(ui, &places, input, out);
            });
    }

    /// One upload per change.
    fn refresh(&mut self, ctx: &Context, input: &GridInput<'_>, limit: [usize; 2]) {
        let wanted = Some((input.serial, limit));
        if self.drawn == wanted {
            return;
        }
        self.drawn = wanted;
        let (layers, shared) = (input.layers, input.shared_range);
        let colors = input.colors;
        let draw = || thumbnails::draw(layers, colors, shared, limit);
        let (sheet, image) = between_frames(draw);
        self.sheet = sheet;
        if image.pixels.is_empty() {
            self.texture = None;
            return;
        }
        let options = TextureOptions::LINEAR;
        match &mut self.texture {
            Some(texture) => texture.set(image, options),
            None => self.texture = Some(ctx.load_texture("attention heads", image, options)),
        }
    }

    /// All thumbnails as one shape.
    fn pictures(&self, ui: &Ui, places: &Places, input: &GridInput<'_>) {
        let empty = theme::colors(ui.ctx()).raised;
        let mut mesh = self
            .texture
            .as_ref()
            .map(|texture| Mesh::with_texture(texture.id()));
        for (layer, row) in input.layers.iter().enumerate() {
            for head in 0..row.heads {
                let rect = places.cell(layer, head);
                if !ui.is_rect_visible(rect) {
                    continue;
                }
                let map = row.maps.get(head);
                let picture = map.and_then(|map| Some((map, self.sheet.uv(map, layer, head)?)));
                match (picture, &mut mesh) {
                    (Some((map, uv)), Some(mesh)) => {
                        mesh.add_rect_with_uv(fitted(rect, map), uv, Color32::WHITE);
                    }
                    _ => {
                        ui.painter().rect_filled(rect, CORNER, empty);
                    }
                }
            }
        }
        ui.painter().extend(mesh.map(Shape::mesh));
    }
}

/// The largest place in `cell` with the proportions of a map.
fn fitted(cell: Rect, map: &Heatmap) -> Rect {
    let extent = Vec2::new(map.grid.columns as f32, map.grid.rows as f32);
    let scale = (cell.size() / extent).min_elem();
    Rect::from_center_size(cell.center(), extent * scale)
}

/// How large the parts are, in points.
struct Layout {
    cell: Vec2,
    extent: Vec2,
}

impl Layout {
    /// As large as fits `width`, and as all layers can be seen at once, within
    /// limits.
    fn new(width: f32, layers: &[LayerThumbs<'_>]) -> Self {
        let across = layers
            .iter()
            .map(|layer| layer.heads)
            .max()
            .unwrap_or_default();
        let numbers = size::THUMBNAIL_NUMBERS;
        let mut maps = layers.iter().flat_map(|layer| layer.maps);
        let grid = maps.find(|map| !map.grid.is_empty()).map(|map| map.grid);
        let aspect = grid.map_or(1.0, |grid| grid.rows as f32 / grid.columns as f32);
        let aspect = aspect.clamp(*ASPECT.start(), *ASPECT.end());
        let share = |room: f32, count: usize| room / count.max(1) as f32 - size::THUMBNAIL_GAP;
        let wide = share(width - numbers.x, across);
        let high = share(size::HEAD_GRID - numbers.y, layers.len());
        let side = wide.min(high / aspect).floor();
        let side = side.clamp(*size::THUMBNAIL.start(), *size::THUMBNAIL.end());
        let cell = Vec2::new(side, (side * aspect).floor());
        let pitch = cell + Vec2::splat(size::THUMBNAIL_GAP);
        Self {
            cell,
            extent: numbers + Vec2::new(across as f32, layers.len() as f32) * pitch,
        }
    }

    fn at(&self, origin: Pos2) -> Places {
        Places {
            origin,
            cell: self.cell,
        }
    }
}

/// Where the parts are on screen.
struct Places {
    origin: Pos2,
    cell: Vec2,
}

impl Places {
    fn cell(&self, layer: usize, head: usize) -> Rect {
        let pitch = self.cell + Vec2::splat(size::THUMBNAIL_GAP);
        let steps = Vec2::new(head as f32, layer as f32);
        Rect::from_min_size(
            self.origin + size::THUMBNAIL_NUMBERS + steps * pitch,
            self.cell,
        )
    }
}

/// The numbers of layers and attention heads, stronger where something is chosen.
fn numbers(ui: &Ui, places: &Places, input: &GridInput<'_>) {
    let colors = theme::colors(ui.ctx());
    let across = input.layers.iter().map(|layer| layer.heads).max();
    let color = |strong: bool| if strong { colors.text } else { colors.dim };
    let write = |at: Pos2, align: Align2, number: usize, strong: bool| {
        let font = FontId::proportional(10.0);
        ui.painter()
            .text(at, align, number.to_string(), font, color(strong));
    };
    for head in 0..across.unwrap_or_default() {
        let cell = places.cell(0, head);
        let at = Pos2::new(cell.center().x, cell.top() - size::THUMBNAIL_GAP);
        let strong = input.chosen.iter().any(|chosen| chosen.1 == head);
        write(at, Align2::CENTER_BOTTOM, head, strong);
    }
    for layer in 0..input.layers.len() {
        let cell = places.cell(layer, 0);
        let at = Pos2::new(cell.left() - size::THUMBNAIL_GAP - 2.0, cell.center().y);
        let strong = input.chosen.iter().any(|chosen| chosen.0 == layer);
        write(at, Align2::RIGHT_CENTER, layer, strong);
    }
}

fn cell_id(ui: &Ui, layer: usize, head: usize) -> Id {
    ui.scope_id().with(("attention head", layer, head))
}

fn cells(ui: &Ui, places: &Places, input: &GridInput<'_>, out: &mut Vec<GridAction>) {
    let colors = theme::colors(ui.ctx());
    // The keyboard reaches the grid once, at the chosen one, and moves by arrows.
    let reached = input.chosen.first().copied().unwrap_or_default();
    let mut focused = None;
    for (layer, row) in input.layers.iter().enumerate() {
        for head in 0..row.heads {
            let rect = places.cell(layer, head);
            let id = cell_id(ui, layer, head);
            let focusable = (layer, head) == reached || ui.memory(|memory| memory.has_focus(id));
            let sense = if focusable {
                Sense::click()
            } else {
                Sense::CLICK
            };
            let response = ui.interact(rect, id, sense);
            let chosen = input.chosen.contains(&(layer, head));
            let name = format!("Layer {layer}, attention head {head}");
            response.widget_info(|| WidgetInfo::selected(egui::Role::Button, true, chosen, &name));
            if ui.is_rect_visible(rect) {
                decorate(
                    ui.painter(),
                    &colors,
                    rect,
                    &Look::new(input, &response, layer, head),
                );
            }
            act(&response, input, (layer, head), out);
            if response.has_focus() {
                focused = Some((layer, head));
            }
            hint(&response, places, row, &name);
        }
    }
    if let Some(focused) = focused {
        walk(ui, places, input, focused, out);
    }
}

/// What a thumbnail's surroundings tell.
struct Look {
    off: bool,
    chosen: bool,
    compared: bool,
    pointed: bool,
    focused: bool,
}

impl Look {
    fn new(input: &GridInput<'_>, response: &Response, layer: usize, head: usize) -> Self {
        let this = Some((layer, head));
        Self {
            off: (input.off)(layer, head),
            chosen: input.chosen.contains(&(layer, head)),
            compared: input.compared == this,
            pointed: input.highlighted == this || response.hovered(),
            focused: response.has_focus(),
        }
    }
}

/// Veil what is switched off, ring what is chosen, compared or pointed at.
fn decorate(painter: &Painter, colors: &Colors, rect: Rect, look: &Look) {
    if look.off {
        painter.rect_filled(rect, CORNER, theme::with_alpha(colors.panel, 0.8));
        let stroke = Stroke::new(1.5, colors.dim);
        painter.line_segment([rect.left_bottom(), rect.right_top()], stroke);
    }
    let ring = |gap: f32, width: f32, color: Color32| {
        let stroke = Stroke::new(width, color);
        painter.rect_stroke(rect.expand(gap), CORNER, stroke, StrokeKind::Outside);
    };
    if look.chosen || look.compared || look.pointed {
        // Keeps the ring apart from the picture, whatever its colours.
        let moat = Stroke::new(1.0, colors.panel);
        painter.rect_stroke(rect, CORNER, moat, StrokeKind::Inside);
    }
    if look.chosen {
        ring(0.0, 2.0, colors.accent);
    } else if look.compared {
        ring(0.0, 2.0, colors.warning);
    } else if look.pointed {
        ring(0.0, 1.0, colors.text);
    }
    if look.focused {
        ring(2.0, 1.0, colors.text);
    }
}

/// What an attention head is called and what can be done: left of the grid, so
/// that it hides no thumbnail.
fn hint(response: &Response, places: &Places, row: &LayerThumbs<'_>, name: &str) {
    let says = row.reason.filter(|_| row.maps.is_empty()).unwrap_or(
        "Click shows it, Shift compares,\nCtrl adds it to those shown, right click for more",
    );
    let mut tooltip = Tooltip::for_enabled(response);
    let line = Rect::from_x_y_ranges(
        places.origin.x..=response.rect.right(),
        response.rect.y_range(),
    );
    tooltip.popup = tooltip.popup.anchor(line).align(RectAlign::LEFT);
    tooltip.show(|ui| ui.label(format!("{name}\n{}\n{says}", row.name)));
}

/// Pointer and menu.
fn act(
    response: &Response,
    input: &GridInput<'_>,
    (layer, head): (usize, usize),
    out: &mut Vec<GridAction>,
) {
    if response.hovered() {
        out.push(GridAction::Hover(layer, head));
    }
    if response.clicked() {
        let modifiers = response.ctx.input(|input| input.modifiers);
        out.push(if modifiers.shift {
            GridAction::Compare(layer, head)
        } else if modifiers.command {
            GridAction::ToggleInSet(layer, head)
        } else {
            GridAction::Choose(layer, head)
        });
    }
    response.context_menu(|ui| {
        let mut item = |text: &str, action: GridAction| {
            if ui.button(text).clicked() {
                out.push(action);
                ui.close();
            }
        };
        let switch = match (input.off)(layer, head) {
            true => "Switch on",
            false => "Switch off",
        };
        let set = match input.chosen.contains(&(layer, head)) {
            true => "Take out of those shown",
            false => "Add to those shown",
        };
        item("Compare with this one", GridAction::Compare(layer, head));
        item(set, GridAction::ToggleInSet(layer, head));
        item(switch, GridAction::ToggleOff(layer, head));
    });
}

/// Arrow keys move the choice, and the focus with it.
fn walk(
    ui: &Ui,
    places: &Places,
    input: &GridInput<'_>,
    (layer, head): (usize, usize),
    out: &mut Vec<GridAction>,
) {
    let arrows = EventFilter {
        horizontal_arrows: true,
        vertical_arrows: true,
        ..EventFilter::default()
    };
    let id = cell_id(ui, layer, head);
    ui.memory_mut(|memory| memory.set_focus_lock_filter(id, arrows));
    let pressed = |key: Key| ui.input(|input| input.key_pressed(key));
    let step = |back: Key, on: Key, at: usize, count: usize| {
        let at = at + usize::from(pressed(on));
        let at = at.saturating_sub(usize::from(pressed(back)));
        at.min(count.saturating_sub(1))
    };
    let layer_next = step(Key::ArrowUp, Key::ArrowDown, layer, input.layers.len());
    let heads = input.layers.get(layer_next).map_or(0, |row| row.heads);
    let head_next = step(Key::ArrowLeft, Key::ArrowRight, head, heads);
    if (layer_next, head_next) == (layer, head) || heads == 0 {
        return;
    }
    out.push(GridAction::Choose(layer_next, head_next));
    let next = cell_id(ui, layer_next, head_next);
    ui.memory_mut(|memory| memory.request_focus(next));
    ui.scroll_to_rect(places.cell(layer_next, head_next), None);
}

#[cfg(test)]
mod tests;
