package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"languages/carbuddii"
)

func main() {
	ctx := context.Background()
	website := connected(ctx, "WEBSITE")
	dms := connected(ctx, "DMS")

	kind := "test_drive"
	given, family := "Anna", "Jensen"
	make, model := "Volvo", "EX30"
	phones := []carbuddii.PhoneInput{{Number: "32 12 34 56"}}
	vehicles := []carbuddii.VehicleOfInterestInput{{Make: &make, Model: &model}}
	lead := carbuddii.LeadInput{
		Type: &kind,
		Customer: carbuddii.LeadCustomerInput{
			Name:   &carbuddii.PersonNameInput{Given: &given, Family: &family},
			Phones: &phones,
		},
		VehiclesOfInterest: &vehicles,
	}
	created, err := website.CreateLeadWithResponse(ctx, &carbuddii.CreateLeadParams{}, lead)
	check(err)
	if created.JSON201 == nil {
		panic(string(created.Body))
	}

	read, err := dms.GetLeadWithResponse(ctx, created.JSON201.Id, &carbuddii.GetLeadParams{})
	check(err)
	if read.JSON200 == nil {
		panic(string(read.Body))
	}
	etag := read.HTTPResponse.Header.Get("ETag")
	change := carbuddii.LeadUpdate{Status: carbuddii.InProgress}
	updated, err := dms.UpdateLeadWithResponse(ctx, created.JSON201.Id, &carbuddii.UpdateLeadParams{IfMatch: &etag}, change)
	check(err)
	if updated.JSON200 == nil {
		panic(string(updated.Body))
	}

	known, passedOver := []string{}, 0
	limit := int32(1)
	params := carbuddii.ListEventsParams{LeadId: &created.JSON201.Id, Limit: &limit}
	for {
		events, err := dms.ListEventsWithResponse(ctx, &params)
		check(err)
		if events.JSON200 == nil {
			panic(string(events.Body))
		}
		if len(events.JSON200.Items) == 0 {
			break
		}
		for _, event := range events.JSON200.Items {
			switch event.Type {
			case "lead.created", "lead.updated":
				known = append(known, event.Type)
			default:
				passedOver++
			}
		}
		params.Cursor = &events.JSON200.NextCursor
	}

	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"id": read.JSON200.Id, "given": *read.JSON200.Customer.Name.Given, "etag": etag,
		"status": updated.JSON200.Status, "version": updated.JSON200.Version,
		"known": known, "passedOver": passedOver,
	}))
}

func connected(ctx context.Context, name string) *carbuddii.ClientWithResponses {
	address := os.Getenv("ADDRESS")
	grant, id, secret := "client_credentials", os.Getenv(name+"_ID"), os.Getenv(name+"_SECRET")
	stranger, err := carbuddii.NewClientWithResponses(address)
	check(err)
	form := carbuddii.TokenRequest{GrantType: &grant, ClientId: &id, ClientSecret: &secret}
	token, err := stranger.ExchangeApiKeyWithFormdataBodyWithResponse(ctx, form)
	check(err)
	if token.JSON200 == nil {
		panic(string(token.Body))
	}
	client, err := carbuddii.NewClientWithResponses(address, carbuddii.WithRequestEditorFn(
		func(_ context.Context, request *http.Request) error {
			request.Header.Set("Authorization", fmt.Sprintf("%s %s", token.JSON200.TokenType, token.JSON200.AccessToken))
			return nil
		}))
	check(err)
	return client
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
