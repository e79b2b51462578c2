package carbuddii;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

public class Main {
  public static void main(String[] arguments) throws Exception {
    var website = connected("WEBSITE");
    var dms = connected("DMS");

    var lead = new LeadInput()
        .type("test_drive")
        .customer(new LeadCustomerInput()
            .name(new PersonNameInput().given("Anna").family("Jensen"))
            .addPhonesItem(new PhoneInput().number("32 12 34 56")))
        .addVehiclesOfInterestItem(new VehicleOfInterestInput().make("Volvo").model("EX30"));
    var id = new LeadsApi(website).createLead(lead, null).getId();

    var leads = new LeadsApi(dms);
    var read = leads.getLeadWithHttpInfo(id, null, null);
    var etag = read.getHeaders().get("etag").get(0);
    var updated = leads.updateLead(id, new LeadUpdate().status(LeadStatusInput.IN_PROGRESS), etag);

    var known = new ArrayList<String>();
    var passedOver = 0;
    var events = new EventsApi(dms);
    for (String cursor = null; ; ) {
      var page = events.listEvents(1, cursor, id, null, null);
      if (page.getItems().isEmpty()) break;
      for (var event : page.getItems()) {
        if (List.of("lead.created", "lead.updated").contains(event.getType())) known.add(event.getType());
        else passedOver++;
      }
      cursor = page.getNextCursor();
    }

    System.out.println(new ObjectMapper().writeValueAsString(Map.of(
        "id", read.getData().getId(),
        "given", read.getData().getCustomer().getName().getGiven(),
        "etag", etag,
        "status", updated.getStatus(),
        "version", updated.getVersion(),
        "known", known,
        "passedOver", passedOver)));
  }

  private static ApiClient connected(String name) throws ApiException {
    var client = new ApiClient();
    client.updateBaseUri(System.getenv("ADDRESS"));
    var id = System.getenv(name + "_ID");
    var secret = System.getenv(name + "_SECRET");
    var token = new AuthenticationApi(client).exchangeApiKey("client_credentials", id, secret, null);
    client.setRequestInterceptor(request ->
        request.header("Authorization", token.getTokenType().getValue() + " " + token.getAccessToken()));
    return client;
  }
}
