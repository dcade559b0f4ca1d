//! Labels in files: the storage convention of a folder, and exports.
//!
//! [`open`] and [`save`] keep the promise that no work is lost and nobody
//! else's files are overwritten:
//! - a save writes every file under a temporary name first, renames them at the
//!   end, and the record, which holds the checksums of the others, last;
//! - [`open`] verifies the checksums; what does not fit together, has another
//!   size or unknown classes is shown read-only with the reason;
//! - [`save`] replaces only files that this process opened or wrote itself and
//!   that did not change since.
//!
//! One file per format: reading beside writing.

mod atomic;
mod binary_mask;
mod class_map;
mod error;
mod export;
mod folder_file;
mod import;
mod indexed;
mod instance_map;
mod journal;
mod known;
mod maps;
mod open;
mod output;
mod overlay;
mod protected;
mod raster;
mod record;
mod rows;
mod save;

#[cfg(test)]
mod tests;

pub use binary_mask::binary_mask_png;
pub use class_map::{Palette, class_map_png};
pub use error::StoreError;
pub use export::{ExportKind, ExportRequest, export, export_target, exports_folder, plain_name};
pub use folder_file::folder_classes;
pub use import::LabelImport;
pub use indexed::{IndexedPicture, picture_png};
pub use instance_map::{instance_map_png, masks_png};
pub use journal::{drop_journal, load_journal, save_journal};
pub use maps::{PixelMap, read_class_map, read_instance_map};
pub use open::{OpenOptions, Opened, open, open_with};
pub use output::{OutputFile, write_file_with, write_files};
pub use overlay::overlay_png;
pub use protected::Protected;
pub use save::{SaveOptions, SaveReport, save};
