require 'json'
require 'carbuddii'

def connected(name)
  configuration = CarBuddii::Configuration.new
  configuration.scheme, configuration.host = ENV.fetch('ADDRESS').split('://')
  client = CarBuddii::ApiClient.new(configuration)
  token = CarBuddii::AuthenticationApi.new(client).exchange_api_key(
    grant_type: 'client_credentials',
    client_id: ENV.fetch("#{name}_ID"),
    client_secret: ENV.fetch("#{name}_SECRET")
  )
  configuration.access_token = token.access_token
  client
end

website = CarBuddii::LeadsApi.new(connected('WEBSITE'))
client = connected('DMS')
dms = CarBuddii::LeadsApi.new(client)
feed = CarBuddii::EventsApi.new(client)

lead = CarBuddii::LeadInput.new(
  type: 'test_drive',
  customer: CarBuddii::LeadCustomerInput.new(
    name: CarBuddii::PersonNameInput.new(given: 'Anna', family: 'Jensen'),
    phones: [CarBuddii::PhoneInput.new(number: '32 12 34 56')]
  ),
  vehicles_of_interest: [CarBuddii::VehicleOfInterestInput.new(make: 'Volvo', model: 'EX30')]
)
created = website.create_lead(lead)
read, _status, headers = dms.get_lead_with_http_info(created.id)
etag = headers.transform_keys(&:downcase)['etag']
change = CarBuddii::LeadUpdate.new(status: CarBuddii::LeadStatusInput::IN_PROGRESS)
updated = dms.update_lead(created.id, change, if_match: etag)

known = []
passed_over = 0
cursor = nil
loop do
  page = feed.list_events({ lead_id: created.id, limit: 1, cursor: }.compact)
  break if page.items.empty?

  page.items.each do |event|
    if %w[lead.created lead.updated].include?(event.type)
      known << event.type
    else
      passed_over += 1
    end
  end
  cursor = page.next_cursor
end

puts JSON.generate(
  id: read.id,
  given: read.customer.name.given,
  etag:,
  status: updated.status,
  version: updated.version,
  known:,
  passedOver: passed_over
)
