use carbuddii::apis::{authentication_api, configuration::Configuration, events_api, leads_api};
use carbuddii::models::{
    LeadCustomerInput, LeadInput, LeadStatusInput, LeadUpdate, PersonNameInput, PhoneInput, VehicleOfInterestInput,
};
use std::env::var;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let website = connected("WEBSITE").await;
    let dms = connected("DMS").await;

    let lead = LeadInput {
        r#type: Some("test_drive".into()),
        vehicles_of_interest: Some(vec![VehicleOfInterestInput {
            make: Some("Volvo".into()),
            model: Some("EX30".into()),
            ..Default::default()
        }]),
        ..LeadInput::new(LeadCustomerInput {
            name: Some(Box::new(PersonNameInput {
                given: Some("Anna".into()),
                family: Some("Jensen".into()),
                ..Default::default()
            })),
            phones: Some(vec![PhoneInput::new("32 12 34 56".into())]),
            ..Default::default()
        })
    };
    let created = leads_api::create_lead(&website, lead, None).await.unwrap();
    let read = leads_api::get_lead(&dms, &created.id, None, None).await.unwrap();
    // The client shows no headers; the document says that the ETag is the version in quotes.
    let etag = format!("\"{}\"", read.version);
    let change = LeadUpdate::new(LeadStatusInput::InProgress);
    let updated = leads_api::update_lead(&dms, &created.id, change, Some(&etag)).await.unwrap();

    let (mut known, mut passed_over) = (vec![], 0);
    let mut cursor: Option<String> = None;
    loop {
        let page = events_api::list_events(&dms, Some(1), cursor.as_deref(), Some(&created.id), None, None).await.unwrap();
        if page.items.is_empty() {
            break;
        }
        for event in page.items {
            match event.r#type.as_str() {
                "lead.created" | "lead.updated" => known.push(event.r#type),
                _ => passed_over += 1,
            }
        }
        cursor = Some(page.next_cursor);
    }

    let name = read.customer.unwrap().name.unwrap();
    let outcome = serde_json::json!({
        "id": read.id, "given": name.given, "etag": etag, "status": updated.status, "version": updated.version,
        "known": known, "passedOver": passed_over,
    });
    println!("{outcome}");
}

async fn connected(name: &str) -> Configuration {
    let mut configuration = Configuration { base_path: var("ADDRESS").unwrap(), ..Configuration::new() };
    let id = var(format!("{name}_ID")).unwrap();
    let secret = var(format!("{name}_SECRET")).unwrap();
    let grant = Some("client_credentials");
    let token =
        authentication_api::exchange_api_key(&configuration, grant, Some(&id), Some(&secret), None).await.unwrap();
    configuration.oauth_access_token = Some(token.access_token);
    configuration
}
