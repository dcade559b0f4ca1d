//! What kind of an attention head each one is, by depth: a chart with a point per
//! attention head, after Dosovitskiy et al. 2021 ("An Image is Worth 16x16
//! Words"), Fig. 7.

use egui::{Pos2, Response, Sense, Ui, WidgetInfo};
use egui_plot::{AxisHints, GridMark, MarkerShape, Plot, PlotPoints, Points};

use super::head_grid::GridAction;
use super::scale::{number, ticks};
use crate::attention::HeadStatistics;
use crate::ui::theme::{self, Colors, size, space};
use crate::ui::widgets::dim;

/// What the chart shows of an attention head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    /// Mean attention distance in pixels.
    #[default]
    Distance,
    /// Mean entropy of a row in nats.
    Entropy,
    /// Share of attention on tokens without a place.
    PrefixShare,
}

impl Measure {
    const ALL: [Self; 3] = [Self::Distance, Self::Entropy, Self::PrefixShare];

    /// On the button.
    fn short(self) -> &'static str {
        match self {
            Self::Distance => "Distance",
            Self::Entropy => "Entropy",
            Self::PrefixShare => "Prefix share",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Distance => "Mean attention distance",
            Self::Entropy => "Entropy of attention",
            Self::PrefixShare => "Share of attention on prefix tokens",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Distance => {
                "How far from itself a token looks, on average: small for local attention heads, \
                 half of the photo for global ones"
            }
            Self::Entropy => {
                "How widely a token spreads its attention: 0 when all of it is on one token"
            }
            Self::PrefixShare => {
                "How much attention falls on tokens without a place: the class token, registers, \
                 prompt tokens"
            }
        }
    }

    fn axis(self) -> &'static str {
        match self {
            Self::Distance => "Distance (px)",
            Self::Entropy => "Entropy (nats)",
            Self::PrefixShare => "Share",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Distance => " px",
            Self::Entropy => " nats",
            Self::PrefixShare => "",
        }
    }

    fn of(self, statistics: &HeadStatistics) -> Option<f32> {
        let value = match self {
            Self::Distance => statistics.mean_distance?,
            Self::Entropy => statistics.entropy,
            Self::PrefixShare => statistics.prefix_mass,
        };
        value.is_finite().then_some(value)
    }
}

/// An attention head on the chart.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    layer: usize,
    head: usize,
    value: f32,
}

impl Point {
    fn is(&self, which: (usize, usize)) -> bool {
        (self.layer, self.head) == which
    }
}

/// What the chart shows.
#[derive(Clone, Copy, Debug)]
pub struct PlotInput<'a> {
    /// Statistics by layer and attention head.
    pub statistics: &'a [Vec<HeadStatistics>],
    /// Those shown on the canvas, as (layer, attention head).
    pub chosen: &'a [(usize, usize)],
    /// The one that the pointer is on elsewhere.
    pub highlighted: Option<(usize, usize)>,
}

/// The chart, which remembers its measure.
#[derive(Debug, Default)]
pub struct StatisticsPlot {
    /// What is shown.
    pub measure: Measure,
}

impl StatisticsPlot {
    /// Show the chart; which point is pointed at or chosen goes to `out`.
    pub fn show(&mut self, ui: &mut Ui, input: &PlotInput<'_>, out: &mut Vec<GridAction>) {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = space::XS;
            for measure in Measure::ALL {
                ui.selectable_value(&mut self.measure, measure, measure.short())
                    .on_hover_text(measure.meaning());
            }
        });
        let points = points(self.measure, input.statistics);
        if points.is_empty() {
            ui.label(dim(ui, "No attention head here has this number"));
            return;
        }
        self.chart(ui, input, &points, out);
    }

    fn chart(
        &self,
        ui: &mut Ui,
        input: &PlotInput<'_>,
        points: &[Point],
        out: &mut Vec<GridAction>,
    ) {
        let colors = theme::colors(ui.ctx());
        let measure = self.measure;
        let layers = input.statistics.len();
        let most = points.iter().map(|point| point.value).fold(0.0, f32::max);
        let axis = |hints: AxisHints<'static>, text: &str| {
            hints
                .label(dim(ui, text).small())
                .formatter(|mark, _| number(mark.value))
                .tick_label_color(colors.dim)
                .tick_label_font(egui::FontId::proportional(10.0))
                // The marks are few: all of them get their number.
                .label_spacing(0.0..=1.0)
        };
        let plot = Plot::new(("statistics of attention heads", measure.short()))
            .height(size::CHART)
            .sense(Sense::CLICK)
            .allow_drag(false)
            .allow_zoom(false)
            .allow_scroll(false)
            .allow_boxed_zoom(false)
            .allow_axis_zoom_drag(false)
            .allow_double_click_reset(false)
            .show_crosshair(false)
            .show_background(false)
            .grid_color(colors.line)
            .label_formatter(|_| None)
            .set_margin_fraction(egui::Vec2::new(0.0, 0.06))
            .include_x(-0.5)
            .include_x(layers as f64 - 0.5)
            .include_y(0.0)
            .x_grid_spacer(move |_| whole_numbers(layers))
            .y_grid_spacer(move |_| marks(&ticks((0.0, most))))
            .custom_x_axes(vec![axis(AxisHints::new_x(), "Layer")])
            .custom_y_axes(vec![axis(AxisHints::new_y(), measure.axis())]);
        let shown = plot.show(ui, |ui| {
            for points in series(points, input, &colors) {
                ui.points(points);
            }
        });
        let response = shown.response;
        let name = format!(
            "Chart: {} of {} attention heads",
            measure.name(),
            points.len()
        );
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, &name));
        let place = |point: &Point| {
            let at = egui_plot::PlotPoint::new(point.layer as f64, f64::from(point.value));
            shown.transform.position_from_point(&at)
        };
        let near = response
            .hover_pos()
            .and_then(|pointer| nearest(points, place, pointer));
        if let Some(point) = near {
            self.pointed(response, point, out);
        }
    }

    fn pointed(&self, response: Response, point: Point, out: &mut Vec<GridAction>) {
        out.push(GridAction::Hover(point.layer, point.head));
        if response.clicked() {
            out.push(GridAction::Choose(point.layer, point.head));
        }
        let value = number(f64::from(point.value));
        response
            .on_hover_cursor(egui::CursorIcon::PointingHand)
            .on_hover_text_at_pointer(format!(
                "Layer {}, attention head {}: {value}{}",
                point.layer,
                point.head,
                self.measure.unit()
            ));
    }
}

/// All attention heads that have a value.
fn points(measure: Measure, statistics: &[Vec<HeadStatistics>]) -> Vec<Point> {
    let layers = statistics.iter().enumerate();
    let points = layers.flat_map(|(layer, heads)| {
        let heads = heads.iter().enumerate();
        heads.filter_map(move |(head, statistics)| {
            measure
                .of(statistics)
                .map(|value| Point { layer, head, value })
        })
    });
    points.collect()
}

/// The point nearest to the pointer, if one is near.
fn nearest(points: &[Point], place: impl Fn(&Point) -> Pos2, pointer: Pos2) -> Option<Point> {
    let distances = points
        .iter()
        .map(|point| (point, place(point).distance(pointer)));
    let near = distances.filter(|(_, distance)| *distance <= size::CHART_REACH);
    near.min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(point, _)| *point)
}

/// The points by how they look, those that stand out last.
fn series(points: &[Point], input: &PlotInput<'_>, colors: &Colors) -> [Points<'static>; 3] {
    let of = |wanted: &dyn Fn(&Point) -> bool| -> PlotPoints<'static> {
        let wanted = points.iter().filter(|point| wanted(point));
        wanted
            .map(|point| [point.layer as f64, f64::from(point.value)])
            .collect()
    };
    let chosen = |point: &Point| input.chosen.iter().any(|which| point.is(*which));
    let highlighted = |point: &Point| input.highlighted.is_some_and(|which| point.is(which));
    let look = |name: &str, points, radius, color| {
        Points::new(name, points)
            .shape(MarkerShape::Circle)
            .radius(radius)
            .color(color)
            .allow_hover(false)
    };
    let faint = theme::with_alpha(colors.dim, 0.8);
    [
        look("all", of(&|_| true), size::CHART_POINT, faint),
        look(
            "chosen",
            of(&chosen),
            size::CHART_POINT_CHOSEN,
            colors.accent,
        ),
        look(
            "pointed at",
            of(&highlighted),
            size::CHART_POINT_CHOSEN,
            colors.text,
        ),
    ]
}

/// A mark per layer; at most about a dozen, so that their numbers have room.
fn whole_numbers(count: usize) -> Vec<GridMark> {
    let step = count.div_ceil(13).max(1);
    let layers: Vec<f64> = (0..count).step_by(step).map(|layer| layer as f64).collect();
    marks(&layers)
}

/// All of the same strength.
fn marks(values: &[f64]) -> Vec<GridMark> {
    let step_size = match values {
        [first, second, ..] => second - first,
        _ => 1.0,
    };
    let mark = |value: &f64| GridMark {
        value: *value,
        step_size,
    };
    values.iter().map(mark).collect()
}

#[cfg(test)]
mod tests;
