//! Drawing: a pure function of what the screen knows and the time. It reads and changes nothing.
//!
//! One file a screen; [`chrome`] holds what every screen has, [`canvas`] what they are written with. The layout is drawn in
//! [`layout`](super::layout).

mod beside;
mod board;
mod canvas;
mod chrome;
mod deeds;
mod draft;
mod dry;
mod duty;
mod figure;
mod help;
mod incident_detail;
mod incidents;
mod lanes;
mod oncall;
mod overview;
mod probe;
mod prompt;
mod queue_detail;
mod queues;
mod run;
mod runbooks;
mod several;
mod slo_detail;
mod slos;
mod sources;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use canvas::Canvas;
use chrono::{DateTime, Utc};
use ratatui::{
    buffer::{Buffer, Cell},
    layout::Rect,
};

use super::{
    layout,
    links::Linked,
    state::{Mode, Screen, Subject, Ui},
    theme::Role,
    widgets::figures::{Age, When},
};
use crate::domain::Snapshot;

/// What every part of the picture is drawn from.
#[derive(Clone, Copy)]
pub struct View<'a> {
    ui: &'a Ui,
    snapshot: &'a Arc<Snapshot>,
    now: DateTime<Utc>,
}

impl View<'_> {
    /// How long ago `then` was; in steps on a slow line.
    fn age(&self, then: DateTime<Utc>) -> Age {
        Age::between(then, self.now).in_steps(self.ui.settings.low_bandwidth)
    }
    /// A time of day.
    fn when(&self, at: DateTime<Utc>, seconds: bool) -> When {
        When { at, now: self.now, zone: self.ui.settings.time_zone, seconds }
    }
}

/// Draw everything into `buffer`, which has the size of the terminal, and tell `links` which cells lead somewhere. Returns how many lines
/// of what is open lie below its pane.
pub fn draw(buffer: &mut Buffer, links: &mut Vec<Linked>, ui: &Ui, now: DateTime<Utc>) -> u16 {
    let theme = ui.settings.theme;
    let mut blank = Cell::default();
    blank.set_style(theme.base());
    buffer.content.fill(blank);
    let view = View { ui, snapshot: &ui.snapshot, now };
    let area = buffer.area;
    let below = {
        let mut canvas = Canvas::new(buffer, &theme, area).linking(links);
        match layout::zones(area) {
            None => {
                chrome::too_small(&mut canvas, view);
                0
            }
            Some(zones) => {
                chrome::head(&mut canvas.piece(zones.head), view);
                chrome::tabs(&mut canvas.piece(zones.tabs), view);
                chrome::band(&mut canvas.piece(zones.band), view);
                chrome::lapsing(&mut canvas.piece(zones.banner), view);
                let below = body(&mut canvas, zones.body, view);
                chrome::sources(&mut canvas.piece(zones.sources), view);
                prompt::footer(&mut canvas.piece(area), view);
                below
            }
        }
    };
    ui.settings.glyphs.apply(buffer);
    below
}

fn body(canvas: &mut Canvas<'_>, area: Rect, view: View<'_>) -> u16 {
    if let Mode::Help(scroll) = view.ui.mode {
        return help::draw(&mut canvas.piece(area), scroll, view);
    }
    match &view.ui.mode {
        Mode::Silence(open) | Mode::Field(open, ..) => return draft::draw(&mut canvas.piece(area), open, view),
        Mode::Deeds(listed) | Mode::NoteAll(listed, _) | Mode::NameAll(listed, _) if deeds::is_list(listed) => {
            return deeds::draw(&mut canvas.piece(area), listed, view);
        }
        _ => {}
    }
    if let Some(open) = &view.ui.detail {
        let below = detail(canvas, area, &open.subject, open.scroll, open.gone, view);
        if below > 0 && canvas.height() > area.bottom() + 2 {
            let w = canvas.width();
            canvas.right(0, area.bottom(), w.saturating_sub(1), Role::Muted, format_args!("{below} more below"));
        }
        return below;
    }
    let (list, beside) = layout::with_detail(area);
    match view.ui.screen {
        Screen::Overview => overview::draw(canvas, area, view),
        Screen::Slos => slos::draw(&mut canvas.piece(list), view, true),
        Screen::Incidents => incidents::screen(&mut canvas.piece(list), view),
        Screen::Queues => queues::screen(&mut canvas.piece(list), view),
        Screen::OnCall => oncall::draw(&mut canvas.piece(area), view),
        Screen::Runbooks => match view.ui.open_book() {
            Some(open) => return run::draw(canvas, area, open, view),
            None => runbooks::draw(canvas, area, view),
        },
        Screen::Sources => sources::draw(canvas, area, view),
        Screen::Board => board::screen(&mut canvas.piece(list), view),
    }
    let beside = beside.filter(|_| view.ui.screen.lists());
    if let (Some(area), Some(subject)) = (beside, view.ui.beside(view.now)) {
        detail(canvas, area, &subject, 0, false, view);
    }
    0
}

/// One subject in full. Returns how many of its lines lie below the pane.
fn detail(canvas: &mut Canvas<'_>, area: Rect, subject: &Subject, scroll: u16, gone: bool, view: View<'_>) -> u16 {
    let mut piece = canvas.piece(area).scrolled(scroll);
    let lines = match subject {
        Subject::Slo(row) => slo_detail::draw(&mut piece, row, gone, view),
        Subject::Incident(incident) => incident_detail::draw(&mut piece, incident, gone, view),
        Subject::Hold(hold) => board::draw(&mut piece, hold, gone, view),
        Subject::Queue(row) => queue_detail::draw(&mut piece, row, gone, view),
        Subject::Source(_) => 0,
    };
    lines.saturating_sub(scroll).saturating_sub(area.height)
}
