//! `plugin capabilities`: what adapters can do, beside each other.
//!
//! Owns the Markdown table: a row for each ability, a column for each file.
//! What stands in a cell is told by `cells`, from the descriptor alone.

mod cells;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use kefu_plugin_api::descriptor::Descriptor;

use super::inspect::facts::Facts;

/// Which files.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The plug-ins, in the order of their columns.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut adapters = Vec::new();
    for file in &arguments.files {
        let said = Facts::of(file, true).and_then(|facts| {
            let refusal = facts.refusal.unwrap_or_default();
            let said = facts.adapter.ok_or(refusal);
            said.map_err(|reason| format!("asking {}: {reason}", file.display()))
        });
        match said {
            Ok(said) => adapters.push(said.descriptor),
            Err(reason) => {
                writeln!(io::stderr().lock(), "kefu-gateway: {reason}")?;
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    io::stdout().lock().write_all(table(&adapters).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn table(adapters: &[Descriptor]) -> String {
    let row = |title: &str, cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        format!("| {title} | {} |\n", cells.join(" | "))
    };
    let ids = adapters.iter().map(|adapter| adapter.id.clone()).collect();
    let mut table = row("", ids);
    table.push_str(&"|---".repeat(adapters.len() + 1));
    table.push_str("|\n");
    for (title, cell) in cells::ROWS {
        table.push_str(&row(title, adapters.iter().map(*cell).collect()));
    }
    table
}

/// A vendor's words must not break the table.
fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|").replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use kefu_plugin_api::testing::samples;

    use super::*;

    #[test]
    fn every_row_has_a_cell_for_every_adapter() {
        let mut second = samples::conditional_descriptor();
        second.id = "second".into();
        second.callback_authentication = "one | two\nthree".into();
        let table = table(&[samples::descriptor(), second]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "|  | sample | second |");
        assert_eq!(lines[1], "|---|---|---|");
        assert_eq!(lines.len(), cells::ROWS.len() + 2);
        for line in lines {
            let bars = line.replace("\\|", "").matches('|').count();
            assert_eq!(bars, 4, "{line}");
        }
    }
}
