//! The overview: SLOs above, incidents and what happened below; on the widest screens what is selected at the right.

use super::{
    super::{layout, state::Pane},
    View,
    canvas::Canvas,
    duty, incidents, queues, slos,
};
use crate::tui::{happenings::Happening, theme::Role};
use ratatui::layout::Rect;

/// Draw the body of the overview.
pub fn draw(canvas: &mut Canvas<'_>, body: Rect, view: View<'_>) {
    let panes = layout::overview(body, layout::Counts::of(view.snapshot));
    slos::draw(&mut canvas.piece(panes.slos), view, view.ui.focused() == Pane::Slos);
    incidents::pane(&mut canvas.piece(panes.incidents), view, view.ui.focused() == Pane::Incidents);
    if let Some(area) = panes.on_call {
        duty::pane(&mut canvas.piece(area), view);
    }
    if let Some(area) = panes.queues {
        queues::pane(&mut canvas.piece(area), view, view.ui.focused() == Pane::Queues);
    }
    if let Some(area) = panes.latest {
        latest(&mut canvas.piece(area), view);
    }
}

fn latest(canvas: &mut Canvas<'_>, view: View<'_>) {
    canvas.rule(0, "Latest", format_args!("journal"), false);
    if view.ui.latest.is_empty() {
        canvas.text(1, 1, canvas.width().saturating_sub(2), Role::Muted, "nothing has happened yet");
    }
    for (y, happening) in (1..canvas.height()).zip(&view.ui.latest) {
        line(canvas, y, happening, view);
    }
}

/// ` 14:30:34  page    checkout/availability: budget burning`
pub fn line(canvas: &mut Canvas<'_>, y: u16, happening: &Happening, view: View<'_>) {
    let w = canvas.width();
    canvas.write(1, y, 9, Role::Muted, format_args!("{}", view.when(happening.at, true)));
    canvas.text(11, y, 7, happening.role, happening.word);
    canvas.text(19, y, w.saturating_sub(20), Role::Text, &happening.text);
}
