//! The window: it shows [`App`] and turns what the user does into commands.
//! egui lives here (and in `main`) only.

mod canvas;
mod dialogs;
mod files;
mod filmstrip;
mod icons;
mod inspector;
mod keys;
mod model_menu;
mod panels;
mod prediction;
mod status_bar;
mod theme;
mod toasts;
mod top_bar;
mod widgets;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use egui::{CentralPanel, Context, Frame, Margin, Panel, Ui, ViewportCommand};

use crate::app::{App, Command, Dialog, PathPurpose, Request, Settings};
use crate::label::{ClassId, Classes, IGNORE};
use crate::worker::{DEFAULT_MODEL, ModelEngine, Worker};
use canvas::Canvas;
use dialogs::Dialogs;
use files::{FileDialogs, Picked};
use filmstrip::Filmstrip;
use inspector::InspectorPanel;
use keys::Typing;
use panels::Panels;
use theme::{size, space};

/// The size of a first window in points: with its frame and a task bar it fits a
/// laptop's 1440×900 screen.
const WINDOW: [f32; 2] = [1400.0, 820.0];
/// The smallest window that the layout is made for, in points.
const SMALLEST: [f32; 2] = [1024.0, 640.0];

/// Show the window, on `path` (a photo or folder) or else the sample photo, until
/// it is closed.
pub fn run(path: Option<PathBuf>) -> ExitCode {
    let icon = eframe::icon_data::from_png_bytes(include_bytes!("../../assets/icon.png"));
    let mut viewport = egui::ViewportBuilder::default()
        .with_title("PatchLens")
        .with_app_id("patchlens")
        .with_inner_size(WINDOW)
        .with_min_inner_size(SMALLEST)
        .with_drag_and_drop(true);
    if let Ok(icon) = icon {
        viewport = viewport.with_icon(icon);
    }
    let options = eframe::NativeOptions {
        viewport,
        renderer: eframe::Renderer::Glow,
        ..Default::default()
    };
    let outcome = eframe::run_native(
        "patchlens",
        options,
        Box::new(|creation| {
            let ctx = creation.egui_ctx.clone();
            let wake = Arc::new(move || ctx.request_repaint());
            let engine = Box::new(ModelEngine::new(DEFAULT_MODEL));
            let worker = Worker::spawn(engine, wake);
            Ok(Box::new(Window::new(
                &creation.egui_ctx,
                worker,
                Settings::load(),
                path,
            )))
        }),
    );
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => {
            // There is no window to say it in, and the cause is always the same.
            let _ = writeln!(
                std::io::stderr(),
                "patchlens: the window could not be opened: a desktop with OpenGL is \
                 needed; the subcommands work without one, see patchlens --help"
            );
            ExitCode::FAILURE
        }
    }
}

/// The program's window.
pub struct Window {
    /// The state that is shown.
    pub app: App,
    canvas: Canvas,
    panels: Panels,
    filmstrip: Filmstrip,
    inspector: InspectorPanel,
    dialogs: Dialogs,
    files: FileDialogs,
    /// Whether text was being typed at the end of the last frame.
    typed_text: bool,
    /// The window closes with the next close request.
    closing: bool,
    title: String,
}

impl Window {
    /// A window on `worker`, opening `path` (a photo or folder) or else the
    /// sample photo.
    pub fn new(ctx: &Context, worker: Worker, settings: Settings, path: Option<PathBuf>) -> Self {
        theme::install(ctx);
        let mut app = App::new(worker, settings);
        app.apply(match path {
            Some(path) => Command::Open(path),
            None => Command::OpenSample,
        });
        Self {
            app,
            canvas: Canvas::default(),
            panels: Panels::default(),
            filmstrip: Filmstrip::default(),
            inspector: InspectorPanel::default(),
            dialogs: Dialogs::default(),
            files: FileDialogs::default(),
            typed_text: false,
            closing: false,
            title: String::new(),
        }
    }

    /// What goes on whether the window is seen or not: the worker's events, the
    /// journal, and being asked to close.
    pub fn think(&mut self, ctx: &Context) {
        if let Some(due) = self.app.tick() {
            ctx.request_repaint_after(due);
        }
        self.close_request(ctx);
        self.carry_out_requests(ctx);
    }

    /// One frame.
    pub fn show(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        theme::follow(&ctx, self.app.settings.theme);
        let mut out = keys::pressed(&ctx, &self.app, self.typing(&ctx));
        self.dropped_files(&ctx, &mut out);
        self.picked(&mut out);
        self.layout(ui, &mut out);
        self.dialogs
            .show(&ctx, &mut self.app, &mut self.files, &mut out);
        for command in out {
            self.app.apply(command);
        }
        self.carry_out_requests(&ctx);
        self.follow_title(&ctx);
        self.typed_text = ctx.text_edit_focused();
    }

    fn typing(&self, ctx: &Context) -> Typing {
        let focused = ctx.memory(|memory| memory.focused());
        Typing {
            text: self.typed_text || ctx.text_edit_focused(),
            elsewhere: focused.is_some_and(|id| id != canvas::focus_id()),
            popup: egui::Popup::is_any_open(ctx),
        }
    }

    fn layout(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        let colors = theme::colors(ui.ctx());
        let bar = |x: f32| {
            Frame::NONE
                .fill(colors.panel)
                .inner_margin(Margin::symmetric(x as i8, 0))
        };
        let Self {
            app,
            canvas,
            panels,
            filmstrip,
            inspector,
            ..
        } = self;
        Panel::top("top bar")
            .exact_size(size::TOP_BAR)
            .frame(bar(space::S))
            .show(ui, |ui| top_bar::show(ui, app, out));
        Panel::bottom("status bar")
            .exact_size(size::STATUS)
            .frame(bar(space::M))
            .show(ui, |ui| status_bar::show(ui, app, &canvas.readout, out));
        if app.folder.is_some() && app.settings.filmstrip_open {
            Panel::bottom("photo strip")
                .exact_size(size::FILMSTRIP)
                .frame(bar(space::S))
                .show(ui, |ui| filmstrip.show(ui, app, out));
        }
        Panel::left("tools")
            .exact_size(size::RAIL)
            .frame(bar(0.0))
            .show(ui, |ui| top_bar::rail(ui, app, out));
        if app.settings.panel_open {
            Panel::right("panels")
                .default_size(size::PANEL)
                .size_range(size::PANEL_MIN..=size::PANEL_MAX)
                .resizable(true)
                .frame(bar(space::M))
                .show(ui, |ui| {
                    ui.add_space(space::S);
                    if app.inspector.shown {
                        return inspector.show(ui, app, out);
                    }
                    panels::display_window(ui, app, out);
                    prediction::show(ui, app, out);
                    panels.show(ui, app, out);
                });
        }
        Panel::top("tool options")
            .exact_size(size::OPTIONS)
            .frame(bar(space::M))
            .show(ui, |ui| top_bar::options(ui, app, out));
        let area = CentralPanel::default()
            .frame(Frame::NONE)
            .show(ui, |ui| canvas.show(ui, app, out))
            .response
            .rect;
        toasts::show(ui.ctx(), app, area.right_bottom());
    }

    fn dropped_files(&self, ctx: &Context, out: &mut Vec<Command>) {
        let dropped = ctx.input(|input| {
            input
                .raw
                .dropped_files
                .first()
                .map(|file| file.path().to_path_buf())
        });
        if let Some(path) = dropped {
            out.push(Command::Open(path));
        }
    }

    /// Closing with unsaved work asks first, even if the window is minimised.
    fn close_request(&mut self, ctx: &Context) {
        if self.closing || !ctx.input(|input| input.viewport().close_requested()) {
            return;
        }
        let unsaved = self.app.open.as_ref().is_some_and(|open| open.is_dirty());
        if unsaved {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            if !self.app.asks_about_unsaved() {
                self.app.apply(Command::Quit);
            }
        }
        if self.app.asks_about_unsaved() {
            ctx.send_viewport_cmd(ViewportCommand::Minimized(false));
            ctx.send_viewport_cmd(ViewportCommand::Focus);
        }
    }

    fn picked(&mut self, out: &mut Vec<Command>) {
        match self.files.poll() {
            None => {}
            Some(Picked::Path(PathPurpose::Export, path)) => self.dialogs.set_export_path(path),
            Some(Picked::Path(PathPurpose::Model, path)) => {
                out.push(Command::ChooseModel(path.into()));
            }
            Some(Picked::Path(_, path)) => out.push(Command::Open(path)),
            Some(Picked::Unavailable(PathPurpose::Export)) => self.dialogs.type_export_path(),
            Some(Picked::Unavailable(purpose)) => {
                let start = match purpose {
                    PathPurpose::Model => self.app.recent_models().next().map(PathBuf::as_path),
                    _ => self.app.open.as_ref().map(|open| open.path.as_path()),
                };
                let start = start.and_then(Path::parent);
                let start = start.map(|folder| format!("{}/", folder.display()));
                out.push(Command::Show(Dialog::Path(
                    purpose,
                    start.unwrap_or_default(),
                )));
            }
        }
    }

    fn carry_out_requests(&mut self, ctx: &Context) {
        for request in self.app.take_requests() {
            let folder = self
                .app
                .open
                .as_ref()
                .and_then(|open| open.path.parent().map(|folder| folder.to_path_buf()));
            match request {
                Request::PickPhoto => self.files.show(ctx, PathPurpose::Photo, folder),
                Request::PickFolder => self.files.show(ctx, PathPurpose::Folder, folder),
                Request::PickModel => {
                    let last = self.app.recent_models().next();
                    let start = last.and_then(|last| Some(last.parent()?.to_path_buf()));
                    self.files.show(ctx, PathPurpose::Model, start.or(folder));
                }
                Request::View(view) => self.canvas.move_view(view, &self.app),
                Request::Close => {
                    self.closing = true;
                    ctx.send_viewport_cmd(ViewportCommand::Close);
                }
            }
            ctx.request_repaint();
        }
    }

    fn follow_title(&mut self, ctx: &Context) {
        let title = match &self.app.open {
            Some(open) => {
                // ASCII around the name: some window managers show nothing else right.
                let dirty = if open.is_dirty() { "*" } else { "" };
                format!("{dirty}{} - PatchLens", open.name())
            }
            None => "PatchLens".to_owned(),
        };
        if title != self.title {
            ctx.send_viewport_cmd(ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }
}

impl eframe::App for Window {
    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.think(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.show(ui);
    }

    fn save(&mut self, _storage: &mut dyn eframe::Storage) {
        self.app.settings.save();
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.extreme_bg_color.to_normalized_gamma_f32()
    }
}

/// The name of a class on screen.
fn class_name(classes: &Classes, id: ClassId) -> &str {
    if id == IGNORE {
        "ignore"
    } else {
        classes.name(id)
    }
}
