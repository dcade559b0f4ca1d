//! Why a photo could not be opened, worded for the person who opened it.

use super::Limits;

/// Why a photo could not be opened. Each message names the file and says what
/// can be done.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// Nothing is at this path.
    #[error("{file} does not exist: check the name, or whether its disk is connected")]
    Missing {
        /// The file, for showing.
        file: String,
    },
    /// The path is a folder.
    #[error("{file} is a folder: open it as a folder, or choose a photo inside it")]
    Directory {
        /// The file, for showing.
        file: String,
    },
    /// The path is a device, socket or pipe.
    #[error("{file} is not an ordinary file: copy the photo to a file first")]
    NotAFile {
        /// The file, for showing.
        file: String,
    },
    /// The operating system refused.
    #[error("{file} cannot be read ({why}): check its permissions and its disk")]
    Unreadable {
        /// The file, for showing.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The file has no bytes.
    #[error("{file} is empty: copy or download it again")]
    Empty {
        /// The file, for showing.
        file: String,
    },
    /// The file holds text, whatever its name says.
    #[error("{file} holds text, not a picture: copy or download it again")]
    Text {
        /// The file, for showing.
        file: String,
    },
    /// The content is no picture that is known here.
    #[error(
        "{file} is not a picture that PatchLens can read: \
         convert it to PNG, JPEG, WebP, BMP, GIF, TIFF or PNM"
    )]
    Unknown {
        /// The file, for showing.
        file: String,
    },
    /// A picture format that is known by name only.
    #[error("{file} is {format}, which PatchLens cannot read: {remedy}")]
    UnsupportedFormat {
        /// The file, for showing.
        file: String,
        /// The format, with its article.
        format: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A readable format that uses something unusual.
    #[error(
        "{file} cannot be read, since it uses a part of its format that PatchLens does not know \
         ({why}): convert it to PNG"
    )]
    UnsupportedFeature {
        /// The file, for showing.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The header claims more pixels than the limit allows.
    #[error(
        "{file} says that it is {width} × {height} pixels ({megapixels} megapixels), above the \
         limit of {limit} megapixels: raise it with --max-megapixels {megapixels} or in Settings"
    )]
    TooManyPixels {
        /// The file, for showing.
        file: String,
        /// Claimed width in pixels.
        width: u32,
        /// Claimed height in pixels.
        height: u32,
        /// Rounded up.
        megapixels: u64,
        /// Rounded down.
        limit: u64,
    },
    /// The file, or what it would decode to, is above the byte limit or the
    /// memory that there is.
    #[error(
        "{file} needs {mebibytes} MiB of memory, more than there is or the limit allows: \
         raise it with --max-megapixels N or in Settings, close other programs, or shrink the photo"
    )]
    TooManyBytes {
        /// The file, for showing.
        file: String,
        /// What it needs, rounded up.
        mebibytes: u64,
    },
    /// The file ends before the picture does.
    #[error("{file} ends too early, the picture is cut off: copy or download it again")]
    Truncated {
        /// The file, for showing.
        file: String,
    },
    /// The content contradicts its format.
    #[error("{file} is damaged ({why}): copy or download it again")]
    Damaged {
        /// The file, for showing.
        file: String,
        /// What is wrong.
        why: String,
    },
}

impl PhotoError {
    pub(super) fn too_many_pixels(file: &str, width: u32, height: u32, limits: &Limits) -> Self {
        Self::TooManyPixels {
            file: file.to_owned(),
            width,
            height,
            megapixels: (u64::from(width) * u64::from(height)).div_ceil(1_000_000),
            limit: limits.max_pixels / 1_000_000,
        }
    }

    pub(super) fn too_many_bytes(file: &str, bytes: u64) -> Self {
        Self::TooManyBytes {
            file: file.to_owned(),
            mebibytes: bytes.div_ceil(1 << 20),
        }
    }

    pub(super) fn damaged(file: &str, why: impl std::fmt::Display) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            // decoders' messages may span lines; ours never do
            why: why
                .to_string()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    pub(super) fn truncated(file: &str) -> Self {
        Self::Truncated {
            file: file.to_owned(),
        }
    }
}
