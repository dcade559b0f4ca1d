//! How the tokens of an attention layer lie on the photo, and which of them see
//! each other.

/// Size of a token grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Tokens from top to bottom.
    pub rows: usize,
    /// Tokens from left to right.
    pub columns: usize,
}

impl Grid {
    /// Number of tokens.
    pub fn len(self) -> usize {
        self.rows * self.columns
    }

    /// Whether there are no tokens.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// The tokens of one side (queries or keys) of an attention layer: first
/// `prefix` tokens without a place on the photo, then the grid, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Tokens without a place (class token, registers, prompt tokens).
    pub prefix: usize,
    /// The grid that follows; `None` if there is none.
    pub grid: Option<Grid>,
}

impl Tokens {
    /// Number of tokens.
    pub fn len(self) -> usize {
        self.prefix + self.grid.map_or(0, Grid::len)
    }

    /// Whether there are no tokens.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// How a windowed layer cuts its grid: windows row-major over `padded`, tokens
/// row-major in a window. Padding is at the right and bottom, and padded
/// tokens take part as keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Side of a window in tokens.
    pub side: usize,
    /// The grid padded to whole windows.
    pub padded: Grid,
}

impl Windows {
    /// Windows that cover `grid`.
    pub fn covering(grid: Grid, side: usize) -> Self {
        let rows = grid.rows.next_multiple_of(side);
        Self {
            side,
            padded: Grid {
                rows,
                columns: grid.columns.next_multiple_of(side),
            },
        }
    }

    /// Number of windows.
    pub fn count(self) -> usize {
        (self.padded.rows / self.side) * (self.padded.columns / self.side)
    }

    /// Window and place in it of the token at (row, column) of the grid.
    pub fn locate(self, row: usize, column: usize) -> (usize, usize) {
        let across = self.padded.columns / self.side;
        let window = row / self.side * across + column / self.side;
        (window, row % self.side * self.side + column % self.side)
    }

    /// Row and column in the padded grid of a place in a window.
    pub fn position(self, window: usize, place: usize) -> (usize, usize) {
        let across = self.padded.columns / self.side;
        let row = window / across * self.side + place / self.side;
        (row, window % across * self.side + place % self.side)
    }
}

/// Which tokens of a layer see each other: those of a group. Layers without
/// groups are one group that holds all tokens, prefix first, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// All tokens see all others.
    Whole,
    /// Tokens of a window see each other.
    Windows(Windows),
    /// Tokens at the same place of all `side` × `side` patches see each other
    /// (MobileViT): group `row % side · side + column % side`. `grid` is the
    /// token grid, a whole number of patches.
    Phases {
        /// Side of a patch in tokens.
        side: usize,
        /// The token grid.
        grid: Grid,
    },
}

impl Grouping {
    /// Number of groups.
    pub fn count(self) -> usize {
        match self {
            Self::Whole => 1,
            Self::Windows(windows) => windows.count(),
            Self::Phases { side, .. } => side * side,
        }
    }

    /// Number of tokens in a group, padding included, where `tokens` says what
    /// a layer without groups has.
    pub fn members(self, tokens: Tokens) -> usize {
        match self {
            Self::Whole => tokens.len(),
            Self::Windows(windows) => windows.side * windows.side,
            Self::Phases { side, grid } => grid.len() / (side * side).max(1),
        }
    }

    /// Group and place in it of the token at (row, column) of the grid, where
    /// `tokens` says what comes before the grid.
    pub fn locate(self, tokens: Tokens, row: usize, column: usize) -> (usize, usize) {
        match self {
            Self::Whole => {
                let columns = tokens.grid.map_or(0, |grid| grid.columns);
                (0, tokens.prefix + row * columns + column)
            }
            Self::Windows(windows) => windows.locate(row, column),
            Self::Phases { side, grid } => {
                let place = row / side * (grid.columns / side) + column / side;
                (row % side * side + column % side, place)
            }
        }
    }

    /// Row and column on the grid of a place in a group; `None` for prefix
    /// tokens. Windows may reach into the padding beyond the grid.
    pub fn position(self, tokens: Tokens, group: usize, place: usize) -> Option<(usize, usize)> {
        match self {
            Self::Whole => {
                let columns = tokens.grid?.columns;
                let place = place.checked_sub(tokens.prefix)?;
                Some((place / columns, place % columns))
            }
            Self::Windows(windows) => Some(windows.position(group, place)),
            Self::Phases { side, grid } => {
                let across = grid.columns / side;
                let (row, column) = (place / across * side, place % across * side);
                Some((row + group / side, column + group % side))
            }
        }
    }
}
