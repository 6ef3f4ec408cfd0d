//! Themes name meanings, not places.
//!
//! A [`Theme`] is sixteen colours, one a [`Role`], and the [`Depth`] at which they are painted. The screen asks for the style of a
//! role and never for a colour, so that 24-bit, 256, 16 colours and none at all show the same picture, only plainer. Themes are TOML
//! files (`themes/` at the top of the repository): one key a role, each `"#RRGGBB"`.

use ratatui::style::{Color, Modifier, Style};

/// What a cell means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// What everything stands on.
    Background,
    /// What the selected row stands on.
    Selected,
    /// What is read.
    Text,
    /// What is read first.
    Emphasis,
    /// What may be skipped: heads, units, calm words.
    Muted,
    /// Rules and tracks.
    Border,
    /// The rule of the pane that has the keys.
    Focus,
    /// Keys, titles, the open screen.
    Accent,
    /// Pages.
    Critical,
    /// Tickets, overspent.
    Warning,
    /// Fine.
    Ok,
    /// Cannot be told.
    Unknown,
    /// Too old to trust.
    Stale,
    /// Amounts of money.
    Money,
    /// Bars and sparklines.
    Chart,
    /// The second line of a chart.
    ChartAlt,
}

/// Every role with its key in a theme file.
pub const ROLES: [(&str, Role); 16] = [
    ("background", Role::Background),
    ("selected", Role::Selected),
    ("text", Role::Text),
    ("emphasis", Role::Emphasis),
    ("muted", Role::Muted),
    ("border", Role::Border),
    ("focus", Role::Focus),
    ("accent", Role::Accent),
    ("critical", Role::Critical),
    ("warning", Role::Warning),
    ("ok", Role::Ok),
    ("unknown", Role::Unknown),
    ("stale", Role::Stale),
    ("money", Role::Money),
    ("chart", Role::Chart),
    ("chart_alt", Role::ChartAlt),
];

/// How many colours the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    True,
    /// The 256 colours of xterm.
    Palette,
    /// The 16 colours that the terminal's user has chosen.
    Sixteen,
    /// None: bold and reverse only.
    Mono,
}

impl Depth {
    /// What the environment says, through `var`: `NO_COLOR` (not empty) or `TERM=dumb` turn colour off, `CLICOLOR_FORCE` (not empty,
    /// not 0) turns it on again for a dumb terminal; `COLORTERM` and `TERM` tell how much there is.
    pub fn of_environment(var: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| var(name).is_some_and(|v| !v.is_empty());
        let (term, colorterm) = (var("TERM").unwrap_or_default(), var("COLORTERM").unwrap_or_default());
        let forced = var("CLICOLOR_FORCE").is_some_and(|v| !v.is_empty() && v != "0");
        if set("NO_COLOR") || (!forced && matches!(term.as_str(), "" | "dumb" | "vt100" | "vt220")) {
            Self::Mono
        } else if colorterm == "truecolor" || colorterm == "24bit" || term.ends_with("-direct") {
            Self::True
        } else if term.contains("256") {
            Self::Palette
        } else {
            Self::Sixteen
        }
    }

    /// The most colours that are worth their bytes on a slow line: naming one of 256 costs half of naming one of 16 million.
    #[must_use]
    pub const fn on_slow_line(self, slow: bool) -> Self {
        if slow && matches!(self, Self::True) { Self::Palette } else { self }
    }
}

/// Why a text is not a theme.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ThemeError {
    /// Not TOML.
    #[error("theme is not valid TOML: {0}")]
    Syntax(String),
    /// A role without a colour.
    #[error("theme names no colour for `{0}`; every theme names all sixteen roles")]
    Missing(&'static str),
    /// A key that is no role.
    #[error(
        "theme has the unknown role `{0}`; the roles are background, selected, text, emphasis, muted, border, focus, accent, critical, warning, ok, unknown, stale, money, chart, chart_alt"
    )]
    UnknownRole(String),
    /// A value that is no colour.
    #[error("theme gives `{role}` the colour {value}; colours are written \"#RRGGBB\"")]
    BadColour {
        /// Which role.
        role: &'static str,
        /// What stands there.
        value: String,
    },
}

/// Sixteen colours and the depth at which they are painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    colours: [(u8, u8, u8); 16],
    depth: Depth,
}

/// The themes that come with the program, by name.
const BUILT_IN: [(&str, &str); 4] = [
    ("night", include_str!("../../themes/night.toml")),
    ("day", include_str!("../../themes/day.toml")),
    ("high-contrast", include_str!("../../themes/high-contrast.toml")),
    ("colorblind", include_str!("../../themes/colorblind.toml")),
];

impl Theme {
    /// Names of the themes that come with the program; the first is the default.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }
    /// A theme that comes with the program, at full depth; `None` if there is none of that name.
    pub fn named(name: &str) -> Option<Self> {
        let (_, text) = BUILT_IN.iter().find(|(n, _)| *n == name)?;
        Self::parse(text).ok()
    }
    /// Read a theme file, at full depth.
    pub fn parse(text: &str) -> Result<Self, ThemeError> {
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| ThemeError::Syntax(e.message().to_owned()))?;
        if let Some(unknown) = table.keys().find(|k| ROLES.iter().all(|(name, _)| name != k)) {
            return Err(ThemeError::UnknownRole(crate::domain::clean(unknown).into_owned()));
        }
        let mut colours = [(0, 0, 0); 16];
        for ((role, _), slot) in ROLES.iter().zip(&mut colours) {
            let value = table.get(*role).ok_or(ThemeError::Missing(role))?;
            let colour = value.as_str().and_then(rgb);
            *slot = colour.ok_or_else(|| ThemeError::BadColour { role, value: shown(value) })?;
        }
        Ok(Self { colours, depth: Depth::True })
    }
    /// The same theme painted at `depth`.
    #[must_use]
    pub const fn at_depth(mut self, depth: Depth) -> Self {
        self.depth = depth;
        self
    }
    /// At which depth it is painted.
    pub const fn depth(&self) -> Depth {
        self.depth
    }

    /// What a screen without anything on it looks like.
    pub fn base(&self) -> Style {
        Style::new().fg(self.colour(Role::Text)).bg(self.colour(Role::Background))
    }
    /// Text of this meaning, on whatever it stands on.
    pub fn style(&self, role: Role) -> Style {
        let style = Style::new().fg(self.colour(role));
        let bold = matches!(role, Role::Emphasis) || (role == Role::Critical && matches!(self.depth, Depth::Sixteen | Depth::Mono));
        let style = if bold { style.add_modifier(Modifier::BOLD) } else { style };
        if self.depth == Depth::Sixteen && role == Role::Stale { style.add_modifier(Modifier::DIM) } else { style }
    }
    /// A word on a field of this meaning: the verdict, the open screen, *overspent*.
    pub fn chip(&self, role: Role) -> Style {
        match self.depth {
            Depth::Mono => Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD),
            Depth::Sixteen => Style::new().fg(Color::Black).bg(self.colour(role)),
            Depth::True | Depth::Palette => {
                Style::new().fg(self.colour(Role::Background)).bg(self.colour(role)).add_modifier(Modifier::BOLD)
            }
        }
    }
    /// What one cell of the selected row becomes: another background, and muted text raised to text so that it stays readable.
    pub fn selected(&self, cell: Style) -> Style {
        match self.depth {
            Depth::Mono | Depth::Sixteen => Style::new().fg(Color::Reset).remove_modifier(Modifier::DIM).add_modifier(Modifier::REVERSED),
            Depth::True | Depth::Palette => {
                let style = Style::new().bg(self.colour(Role::Selected));
                if cell.fg == Some(self.colour(Role::Muted)) { style.fg(self.colour(Role::Text)) } else { style }
            }
        }
    }

    fn colour(&self, role: Role) -> Color {
        match self.depth {
            Depth::Mono => Color::Reset,
            Depth::Sixteen => sixteen(role),
            Depth::Palette => Color::Indexed(nearest(self.rgb(role))),
            Depth::True => {
                let (r, g, b) = self.rgb(role);
                Color::Rgb(r, g, b)
            }
        }
    }
    fn rgb(&self, role: Role) -> (u8, u8, u8) {
        self.colours.get(role as usize).copied().unwrap_or_default()
    }
}

impl Default for Theme {
    /// `night`, at full depth.
    fn default() -> Self {
        Self::named("night").unwrap_or(Self { colours: [(0x80, 0x80, 0x80); 16], depth: Depth::Sixteen })
    }
}

/// What stands where a colour should, for the message.
fn shown(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| format!("({})", value.type_str()), |text| format!("\"{}\"", crate::domain::clean(text)))
}

fn rgb(text: &str) -> Option<(u8, u8, u8)> {
    let hex = text.strip_prefix('#').filter(|h| h.len() == 6 && h.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let value = u32::from_str_radix(hex, 16).ok()?;
    Some(((value >> 16) as u8, (value >> 8) as u8, value as u8))
}

/// The twin of a role among the 16 colours that every colour terminal has.
const fn sixteen(role: Role) -> Color {
    match role {
        Role::Background | Role::Selected | Role::Text => Color::Reset,
        Role::Emphasis => Color::White,
        Role::Muted | Role::Border => Color::DarkGray,
        Role::Focus | Role::Accent => Color::LightCyan,
        Role::Critical => Color::LightRed,
        Role::Warning => Color::LightYellow,
        Role::Ok => Color::Green,
        Role::Unknown | Role::ChartAlt => Color::LightMagenta,
        Role::Stale | Role::Money => Color::Yellow,
        Role::Chart => Color::Cyan,
    }
}

/// The nearest of xterm's 6×6×6 cube and its 24 greys.
fn nearest(wanted: (u8, u8, u8)) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let distance = |a: (u8, u8, u8)| {
        let square = |x: u8, y: u8| (i32::from(x) - i32::from(y)).pow(2);
        square(a.0, wanted.0) + square(a.1, wanted.1) + square(a.2, wanted.2)
    };
    let cube = (0..216_u8).map(|n| {
        let step = |i: u8| STEPS.get(usize::from(i % 6)).copied().unwrap_or_default();
        (16 + n, (step(n / 36), step(n / 6), step(n)))
    });
    let greys = (0..24_u8).map(|n| (232 + n, (8 + 10 * n, 8 + 10 * n, 8 + 10 * n)));
    cube.chain(greys).min_by_key(|(_, colour)| distance(*colour)).map_or(7, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_theme_that_comes_along_is_whole() {
        for name in Theme::names() {
            assert!(Theme::named(name).is_some(), "{name}");
        }
        assert!(Theme::named("noon").is_none());
    }

    #[test]
    fn mistakes_in_a_theme_are_named() {
        let night = include_str!("../../themes/night.toml");
        assert_eq!(Theme::parse(&night.replace("money", "mony")), Err(ThemeError::UnknownRole("mony".into())));
        assert_eq!(Theme::parse("text = \"#000000\""), Err(ThemeError::Missing("background")));
        let bad = Theme::parse(&night.replace("#0F141B", "#0F141")).unwrap_err();
        assert_eq!(bad.to_string(), "theme gives `background` the colour \"#0F141\"; colours are written \"#RRGGBB\"");
        assert!(matches!(Theme::parse("text ="), Err(ThemeError::Syntax(_))));
    }

    #[test]
    fn the_environment_tells_the_depth() {
        let depth =
            |pairs: &[(&str, &str)]| Depth::of_environment(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()));
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(depth(&[("TERM", "xterm-256color")]), Depth::Palette);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]), Depth::Palette);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]), Depth::Mono);
        assert_eq!(depth(&[("TERM", "linux")]), Depth::Sixteen);
        assert_eq!(depth(&[("TERM", "dumb")]), Depth::Mono);
        assert_eq!(depth(&[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")]), Depth::Sixteen);
        assert_eq!(depth(&[]), Depth::Mono);
    }

    #[test]
    fn fewer_colours_keep_the_meaning() {
        assert_eq!(nearest((0xff, 0, 0)), 196);
        assert_eq!(nearest((8, 8, 8)), 232);
        let mono = Theme::default().at_depth(Depth::Mono);
        assert_eq!(mono.style(Role::Critical), Style::new().fg(Color::Reset).add_modifier(Modifier::BOLD));
    }
}
