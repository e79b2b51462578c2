import json
import os

from carbuddii import AuthenticatedClient, Client
from carbuddii.api.authentication import exchange_api_key
from carbuddii.api.events import list_events
from carbuddii.api.leads import create_lead, get_lead, update_lead
from carbuddii.models import (
    LeadCustomerInput,
    LeadInput,
    LeadStatusInput,
    LeadUpdate,
    PersonNameInput,
    PhoneInput,
    TokenRequest,
    VehicleOfInterestInput,
)
from carbuddii.types import UNSET

address = os.environ["ADDRESS"]


def connected(name: str) -> AuthenticatedClient:
    form = TokenRequest(
        grant_type="client_credentials",
        client_id=os.environ[f"{name}_ID"],
        client_secret=os.environ[f"{name}_SECRET"],
    )
    token = exchange_api_key.sync(client=Client(base_url=address, raise_on_unexpected_status=True), body=form)
    return AuthenticatedClient(base_url=address, token=token.access_token, raise_on_unexpected_status=True)


website = connected("WEBSITE")
dms = connected("DMS")

lead = LeadInput(
    type_="test_drive",
    customer=LeadCustomerInput(
        name=PersonNameInput(given="Anna", family="Jensen"),
        phones=[PhoneInput(number="32 12 34 56")],
    ),
    vehicles_of_interest=[VehicleOfInterestInput(make="Volvo", model="EX30")],
)
created = create_lead.sync(client=website, body=lead)
read = get_lead.sync_detailed(client=dms, lead_id=created.id)
etag = read.headers["ETag"]
change = LeadUpdate(status=LeadStatusInput.IN_PROGRESS)
updated = update_lead.sync(client=dms, lead_id=created.id, body=change, if_match=etag)

known, passed_over, cursor = [], 0, UNSET
while True:
    page = list_events.sync(client=dms, lead_id=created.id, limit=1, cursor=cursor)
    if not page.items:
        break
    for event in page.items:
        if event.type_ in ("lead.created", "lead.updated"):
            known.append(event.type_)
        else:
            passed_over += 1
    cursor = page.next_cursor

print(
    json.dumps(
        {
            "id": read.parsed.id,
            "given": read.parsed.customer.name.given,
            "etag": etag,
            "status": updated.status,
            "version": updated.version,
            "known": known,
            "passedOver": passed_over,
        }
    )
)
