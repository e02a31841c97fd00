//! `barn completions`: files for shells and for man.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use clap::Command;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::Kind;

/// Print the completions of a shell, or the man page
///
/// The files for the common shells lie in completions/ of the source.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  echo 'source <(barn completions bash)' >> ~/.bashrc
  barn completions man | man -l -")]
pub struct CompletionsArgs {
    /// A shell, or man
    #[arg(value_name = "SHELL|man", value_parser = ["bash", "zsh", "fish", "powershell", "elvish", "man"])]
    target: String,
}

/// Runs the command.
pub fn run(args: &CompletionsArgs) -> Result<Option<Kind>> {
    let mut text = Vec::new();
    match args.target.parse::<Shell>() {
        Ok(shell) => clap_complete::generate(shell, &mut Cli::command(), "barn", &mut text),
        Err(_) => man(&mut text)?,
    }
    std::io::stdout().write_all(&text).context("cannot write to stdout")?;
    Ok(None)
}

/// One page for the program and all its commands.
fn man(out: &mut Vec<u8>) -> Result<()> {
    let mut command = Cli::command();
    command.build();
    let page = clap_mangen::Man::new(command.clone());
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    for sub in command.get_subcommands() {
        chapter(sub, &format!("BARN {}", sub.get_name().to_uppercase()), out)?;
    }
    Ok(())
}

/// One command, and the commands below it.
fn chapter(command: &Command, name: &str, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(format!(".SH \"{name}\"\n").as_bytes());
    let page = clap_mangen::Man::new(command.clone());
    let mut section = Vec::new();
    page.render_synopsis_section(&mut section)?;
    page.render_description_section(&mut section)?;
    page.render_options_section(&mut section)?;
    page.render_extra_section(&mut section)?;
    let text = String::from_utf8_lossy(&section).replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n");
    // Sections of a command are subsections of the page.
    out.extend_from_slice(text.replace(".SH ", ".SS ").as_bytes());
    for sub in command.get_subcommands() {
        chapter(sub, &format!("{name} {}", sub.get_name().to_uppercase()), out)?;
    }
    Ok(())
}
