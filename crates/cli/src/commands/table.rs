//! Columns of text.

/// Rows under their headings, each column as wide as its widest cell; no space ends a line.
pub(crate) fn text<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut all = vec![headings.map(str::to_owned)];
    all.extend(rows);
    let width =
        |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &all {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["a".to_owned(), "x".to_owned()], ["long".to_owned(), String::new()]];
        assert_eq!(text(["N", "S"], rows), "N     S\na     x\nlong\n");
    }
}
