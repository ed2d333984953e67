//! Hands as many records to its sink as the request says, with the numbers that it says, and tells how many were taken.

use tidegate_sdk::prelude::*;

#[derive(Config)]
struct Settings {
    /// Where the records go.
    sink: String,
}

impl RequestHook<Result> for Settings {
    fn on_request(&self, request: &mut Request) -> Result {
        let from = number(request, "x-from")?;
        let numbers = from..from + number(request, "x-count")?;
        // Up to the first that is refused, so that who asks knows which were taken.
        let taken = numbers.take_while(|number| {
            let record = json!({ "number": number, "path": request.path() });
            sink::emit(&self.sink, record.to_string()).is_ok()
        });
        Ok(Flow::reply(200).body(taken.count().to_string()))
    }
}

export!(Settings: RequestHook);

fn number(request: &Request, name: &str) -> Result<u64> {
    let value = request.header(name).ok_or_else(|| format!("there is no {name}"))?;
    Ok(value.to_str()?.parse()?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn its_cases_come_out_as_expected() {
        tidegate_sdk::testing::cases::<super::Settings>("cases");
    }
}
