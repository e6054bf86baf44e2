//! To be written.
pub(crate) fn run(_headless: bool) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}
