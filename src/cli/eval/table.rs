//! A table of figures for people.

/// Rows of a name and figures, aligned.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these heads of columns.
    pub fn new(heads: &[&str]) -> Self {
        let heads = heads.iter().map(|head| (*head).to_owned());
        Self {
            rows: vec![heads.collect()],
        }
    }

    /// Add a row, as many cells as there are heads.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as lines: the first column to the left, the others to the right.
    pub fn lines(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut lines = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).enumerate();
            let cells = cells.map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("  {cell:>width$}"),
            });
            lines += cells.collect::<String>().trim_end();
            lines += "\n";
        }
        lines
    }
}

/// A figure with three digits; a dash where there is none.
pub fn three(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.3}"))
}

/// How many things there are.
pub fn counted(count: usize, one: &str) -> String {
    if count == 1 {
        format!("{count} {one}")
    } else {
        format!("{count} {one}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["class", "IoU"]);
        table.row(["Fuß".to_owned(), three(Some(0.5))]);
        table.row(["a long name".to_owned(), three(None)]);
        let wanted = "class          IoU\nFuß          0.500\na long name      -\n";
        assert_eq!(table.lines(), wanted);
        assert_eq!(counted(1, "photo") + &counted(0, "mask"), "1 photo0 masks");
    }
}
