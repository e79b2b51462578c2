package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/ogen-go/ogen/ogenerrors"

	"languages/carbuddii"
)

// The credentials of one integration: the key before it is exchanged, then the token.
type credentials struct{ key, token string }

func (c *credentials) AccessToken(context.Context, carbuddii.OperationName) (carbuddii.AccessToken, error) {
	return carbuddii.AccessToken{Token: c.token}, nil
}

func (c *credentials) ApiKeyHeader(context.Context, carbuddii.OperationName) (carbuddii.ApiKeyHeader, error) {
	return carbuddii.ApiKeyHeader{APIKey: c.key}, nil
}

func (c *credentials) ClientBasic(context.Context, carbuddii.OperationName) (carbuddii.ClientBasic, error) {
	return carbuddii.ClientBasic{}, ogenerrors.ErrSkipClientSecurity
}

func main() {
	ctx := context.Background()
	website := connected(ctx, "WEBSITE")
	dms := connected(ctx, "DMS")

	lead := &carbuddii.LeadInput{
		Type: carbuddii.NewOptString("test_drive"),
		Customer: carbuddii.LeadCustomerInput{
			Name: carbuddii.NewOptPersonNameInput(carbuddii.PersonNameInput{
				Given:  carbuddii.NewOptString("Anna"),
				Family: carbuddii.NewOptString("Jensen"),
			}),
			Phones: []carbuddii.PhoneInput{{Number: "32 12 34 56"}},
		},
		VehiclesOfInterest: []carbuddii.VehicleOfInterestInput{{
			Make:  carbuddii.NewOptString("Volvo"),
			Model: carbuddii.NewOptString("EX30"),
		}},
	}
	created := answer[*carbuddii.CreateLeadCreated](website.CreateLead(ctx, lead, carbuddii.CreateLeadParams{}))
	id := created.Response.ID
	read := answer[*carbuddii.LeadHeaders](dms.GetLead(ctx, carbuddii.GetLeadParams{LeadId: id}))
	updated := answer[*carbuddii.LeadHeaders](dms.UpdateLead(ctx,
		&carbuddii.LeadUpdate{Status: carbuddii.LeadStatusInputInProgress},
		carbuddii.UpdateLeadParams{LeadId: id, IfMatch: carbuddii.NewOptString(read.ETag)}))

	known, passedOver := []string{}, 0
	params := carbuddii.ListEventsParams{LeadId: carbuddii.NewOptString(id), Limit: carbuddii.NewOptInt32(1)}
	for {
		page := answer[*carbuddii.EventPageHeaders](dms.ListEvents(ctx, params)).Response
		if len(page.Items) == 0 {
			break
		}
		for _, event := range page.Items {
			switch event.Type {
			case "lead.created", "lead.updated":
				known = append(known, event.Type)
			default:
				passedOver++
			}
		}
		params.Cursor = carbuddii.NewOptString(string(page.NextCursor))
	}

	person := read.Response.Customer
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"id": read.Response.ID, "given": person.Value.Name.Value.Given.Value, "etag": read.ETag,
		"status": updated.Response.Status, "version": updated.Response.Version,
		"known": known, "passedOver": passedOver,
	}))
}

func connected(ctx context.Context, name string) *carbuddii.Client {
	mine := &credentials{key: os.Getenv(name + "_SECRET")}
	client, err := carbuddii.NewClient(os.Getenv("ADDRESS"), mine)
	check(err)
	mine.token = answer[*carbuddii.TokenResponseHeaders](client.ExchangeApiKey(ctx, carbuddii.OptTokenRequest{})).Response.AccessToken
	return client
}

func answer[Wanted any](got any, err error) Wanted {
	check(err)
	wanted, ok := got.(Wanted)
	if !ok {
		panic(fmt.Sprintf("%T: %+v", got, got))
	}
	return wanted
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
