//! Text that somebody who means harm, or a careless template, writes into a label, a title, a name or a note.

/// More than two hundred of them.
pub fn strings() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    // Every control character, C0 and C1, and DEL, inside a word.
    all.extend((0..=0x1f).chain(0x7f..=0x9f).filter_map(char::from_u32).map(|c| format!("a{c}b")));
    // Marks, isolates, overrides and separators that change the order of what is read.
    let order = ["\u{61c}", "\u{200e}", "\u{200f}", "\u{202a}", "\u{202b}", "\u{202c}", "\u{202d}", "\u{202e}", "\u{2066}", "\u{2067}"];
    all.extend(order.iter().map(|c| format!("invoice{c}gpj.exe")));
    all.extend(["\u{2068}", "\u{2069}", "\u{2028}", "\u{2029}", "\u{206a}", "\u{206f}"].map(|c| format!("x{c}y{c}z")));
    // What takes no room: joiners, spaces, selectors, fillers, marks of format.
    let none = [
        "\u{200b}",
        "\u{200c}",
        "\u{200d}",
        "\u{2060}",
        "\u{2061}",
        "\u{2064}",
        "\u{feff}",
        "\u{fe00}",
        "\u{fe0f}",
        "\u{e0100}",
        "\u{ad}",
        "\u{34f}",
        "\u{115f}",
        "\u{1160}",
        "\u{3164}",
        "\u{ffa0}",
        "\u{180e}",
        "\u{180b}",
        "\u{fff9}",
        "\u{fffb}",
        "\u{fffc}",
        "\u{1d173}",
        "\u{1bca0}",
        "\u{17b4}",
        "\u{600}",
        "\u{6dd}",
        "\u{70f}",
        "\u{8e2}",
        "\u{110bd}",
        "\u{13430}",
    ];
    all.extend(none.iter().flat_map(|c| [format!("{c}pay{c}ments{c}"), c.repeat(40)]));
    // Tags, which are letters that nobody sees; private use, and characters that are none.
    all.extend(["\u{e0001}", "\u{e0041}\u{e0042}\u{e007f}", "\u{e000}", "\u{f8ff}", "\u{f0000}", "\u{10fffd}"].map(|c| format!("tag{c}")));
    all.extend(["\u{fffe}", "\u{ffff}", "\u{1fffe}", "\u{fdd0}", "\u{10ffff}"].map(|c| format!("none{c}")));
    // Sequences that terminals obey, in both spellings of their beginning, whole and cut short.
    let orders = [
        "[2J",
        "[3J",
        "[H",
        "[31m",
        "[5m",
        "[8m",
        "[?25l",
        "[?1049l",
        "[?1049h",
        "[?2026h",
        "[999;999H",
        "[6n",
        "[c",
        "[>c",
        "[21t",
        "[20t",
        "[?1000h",
        "[200~",
        "[4h",
        "[!p",
        "[5i",
        "[4i",
        "[1;1r",
        "[18t",
        "]0;title\u{7}",
        "]2;title\u{1b}\\",
        "]52;c;cm0gLXJmIH4=\u{7}",
        "]52;p;?\u{1b}\\",
        "]8;;https://evil.example/\u{1b}\\here\u{1b}]8;;\u{1b}\\",
        "]9;4;1;50\u{7}",
        "]777;notify;a;b\u{7}",
        "]4;1;?\u{7}",
        "]10;?\u{7}",
        "]50;?\u{7}",
        "]1337;File=inline=1:AAAA\u{7}",
        "P+q544e\u{1b}\\",
        "P$q\"p\u{1b}\\",
        "Ptmux;\u{1b}\u{1b}[2J\u{1b}\\",
        "_Gf=100;AAAA\u{1b}\\",
        "^private\u{1b}\\",
        "Xstring\u{1b}\\",
        "c",
        "7",
        "8",
        "D",
        "M",
        "#8",
        "(0",
        "%G",
        "=",
        "kname\u{1b}\\",
        "[",
        "]",
        "]52;c;",
        "P",
        "",
    ];
    all.extend(orders.iter().map(|order| format!("\u{1b}{order}after")));
    all.extend(
        ["\u{9b}2J", "\u{9b}31m", "\u{9d}52;c;cm0=\u{9c}", "\u{90}+q\u{9c}", "\u{9f}Gx\u{9c}", "\u{9e}x\u{9c}", "\u{98}x\u{9c}"]
            .map(str::to_owned),
    );
    // Lines and tabs, which a table has none of.
    all.extend(
        ["a\nb", "a\r\nb", "a\rb", "a\tb", "\n\n\n\n", "\u{b}", "\u{c}", "\u{85}", "a\u{8}\u{8}\u{8}b", "\r\u{1b}[Kfake row"]
            .map(str::to_owned),
    );
    // Wide, joined and piled up.
    all.extend(
        [
            "👩‍👩‍👧‍👦 family",
            "🏳️‍🌈",
            "👍🏽👍🏿",
            "🇩🇪🇺🇸🇯🇵",
            "🧑🏻‍❤️‍💋‍🧑🏿",
            "❤️",
            "☎️",
            "1️⃣",
            "©️",
            "東京タワー",
            "ｗｉｄｅ",
            "한국어",
            "ﷺ",
            "𒐫",
            "꧅",
            "ज़िन्दगी",
            "ก็็็็็็็็็็",
            "שָׁלוֹם",
            "مرحبا بالعالم",
            "e\u{301}\u{301}\u{301}",
            "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘",
            "\u{300}\u{301}\u{302}",
            "\u{20dd}\u{20e3}",
        ]
        .map(str::to_owned),
    );
    all.push(format!("ก{}", "\u{e47}".repeat(3_000)));
    all.push(format!("א{}", "\u{5b0}".repeat(3_000)));
    // Much of it.
    all.extend(["x", "東", "👩‍👧", "\u{1b}[2J", "\u{202e}ab", "word "].map(|piece| piece.repeat(10_240 / piece.len() + 1)));
    // What other readers of the same text take for more than text.
    all.extend(
        [
            "",
            " ",
            "'",
            "\"",
            "\\",
            "${HOME}",
            "$(reboot)",
            "`reboot`",
            "; reboot",
            "| sh",
            "--help",
            "-rf",
            "../../etc/passwd",
            "%s%s%n",
            "{0}",
            "{{7*7}}",
            "<script>alert(1)</script>",
            "=cmd|' /C calc'!A0",
            "javascript:alert(1)",
            "null",
            "NaN",
            "-1",
            "[bw:a1]",
            "ACK! x",
        ]
        .map(str::to_owned),
    );
    all
}

/// What in `text` could act on a terminal or deceive a reader; none of it may be shown.
pub fn harm(text: &str) -> Option<char> {
    text.chars().find(|c| {
        c.is_control()
            || matches!(u32::from(*c),
                0xad | 0x34f | 0x61c | 0x600..=0x605 | 0x6dd | 0x70f | 0x8e2 | 0x115f..=0x1160 | 0x180b..=0x180f | 0x200b..=0x200f
                | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xe000..=0xf8ff | 0xfdd0..=0xfdef | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
                | 0xfff0..=0xfffc | 0xfffe..=0xffff | 0x110bd | 0x13430..=0x1343f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
                | 0xe0000..=0xe0fff | 0xf0000..=0x10_ffff)
    })
}
