//! Well-known bots, by what their User-Agents have in them.

/// Whether this is the User-Agent of one.
pub(crate) fn is_bot(agent: &str) -> bool {
    let agent = agent.to_ascii_lowercase();
    CALLED.iter().chain(NAMES).any(|part| agent.contains(part))
}

/// What most of them call themselves, with a version behind it. Without one it may be a telephone: there are some by
/// "Cubot".
const CALLED: &[&str] = &["bot/", "bots/", "crawler/", "spider/", "scraper/"];

/// Those that call themselves something else, or give no version, in lower case.
const NAMES: &[&str] = &[
    // Search engines.
    "adsbot-google",
    "apis-google",
    "baiduspider",
    "bingpreview",
    "coccocbot",
    "duckduckbot",
    "feedfetcher-google",
    "google-inspectiontool",
    "google-read-aloud",
    "google-safety",
    "googlebot",
    "googleother",
    "ia_archiver",
    "mediapartners-google",
    "mojeekbot",
    "naverbot",
    "qwantify",
    "seznambot",
    "sogou web spider",
    "storebot-google",
    "yahoo! slurp",
    "yandexbot",
    "yandeximages",
    "yeti/",
    // Those that read for language models.
    "amazonbot",
    "anthropic-ai",
    "applebot",
    "bytespider",
    "ccbot",
    "chatgpt-user",
    "claude-web",
    "claudebot",
    "cohere-ai",
    "diffbot",
    "google-extended",
    "gptbot",
    "imagesiftbot",
    "meta-externalagent",
    "meta-externalfetcher",
    "oai-searchbot",
    "perplexitybot",
    "perplexity-user",
    "timpibot",
    "youbot",
    // Links and their previews.
    "ahrefssiteaudit",
    "bitlybot",
    "embedly",
    "facebookcatalog",
    "facebookexternalhit",
    "linkedinbot",
    "pinterest/0.",
    "screaming frog",
    "semrushbot",
    "siteauditbot",
    "skypeuripreview",
    "slackbot",
    "slack-imgproxy",
    "telegrambot",
    "whatsapp/",
    // Archives, feeds and watchers.
    "archive.org_bot",
    "feedburner",
    "feedly/",
    "heritrix",
    "nutch",
    "pingdom.com_bot",
    "site24x7",
    "statuscake",
    "uptimerobot",
    // What scrapers are made with.
    "colly -",
    "headlesschrome",
    "httrack",
    "phantomjs",
    "scrapy/",
    "zgrab/",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bots_are_known_by_their_names() {
        for agent in [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Googlebot-Image/1.0",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0 Safari/537.36",
            "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; GPTBot/1.2; +https://openai.com/gptbot",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "Twitterbot/1.0",
            "Mozilla/5.0 (compatible; Baiduspider-render/2.0; +http://www.baidu.com/search/spider.html)",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
            "Scrapy/2.11.0 (+https://scrapy.org)",
            "some-NEW-Crawler/0.1",
        ] {
            assert!(is_bot(agent), "{agent}");
        }
    }

    #[test]
    fn people_and_programs_are_not() {
        for agent in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
            "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Linux; Android 10; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36",
            "curl/8.14.1",
            "python-requests/2.32.3",
            "Go-http-client/1.1",
            "okhttp/4.12.0",
            "",
        ] {
            assert!(!is_bot(agent), "{agent}");
        }
    }

    #[test]
    fn names_are_in_lower_case_and_none_stands_there_for_nothing() {
        for (at, name) in NAMES.iter().enumerate() {
            assert_eq!(*name, name.to_ascii_lowercase());
            assert!(!NAMES.iter().enumerate().any(|(other, part)| other != at && name.contains(part)), "{name}");
        }
    }
}
