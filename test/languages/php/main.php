<?php

use CarBuddii\Api\AuthenticationApi;
use CarBuddii\Api\EventsApi;
use CarBuddii\Api\LeadsApi;
use CarBuddii\Configuration;
use CarBuddii\Model\LeadCustomerInput;
use CarBuddii\Model\LeadInput;
use CarBuddii\Model\LeadStatusInput;
use CarBuddii\Model\LeadUpdate;
use CarBuddii\Model\PersonNameInput;
use CarBuddii\Model\PhoneInput;
use CarBuddii\Model\VehicleOfInterestInput;
use GuzzleHttp\Client;

// A notice is a fault, too.
set_error_handler(fn ($severity, $message, $file, $line) => throw new ErrorException($message, 0, $severity, $file, $line));

require 'GuzzleHttp/autoload.php';
spl_autoload_register(function ($name) {
    $file = __DIR__ . '/client/lib/' . str_replace(['CarBuddii\\', '\\'], ['', '/'], $name) . '.php';
    if (str_starts_with($name, 'CarBuddii\\')) {
        require $file;
    }
});

function connected(string $name): Configuration
{
    $configuration = (new Configuration())->setHost(getenv('ADDRESS'));
    $authentication = new AuthenticationApi(new Client(), $configuration);
    $token = $authentication->exchangeApiKey('client_credentials', getenv("{$name}_ID"), getenv("{$name}_SECRET"));

    return $configuration->setAccessToken($token->getAccessToken());
}

$website = new LeadsApi(new Client(), connected('WEBSITE'));
$configuration = connected('DMS');
$dms = new LeadsApi(new Client(), $configuration);
$feed = new EventsApi(new Client(), $configuration);

$lead = (new LeadInput())
    ->setType('test_drive')
    ->setCustomer((new LeadCustomerInput())
        ->setName((new PersonNameInput())->setGiven('Anna')->setFamily('Jensen'))
        ->setPhones([(new PhoneInput())->setNumber('32 12 34 56')]))
    ->setVehiclesOfInterest([(new VehicleOfInterestInput())->setMake('Volvo')->setModel('EX30')]);
$created = $website->createLead($lead);

[$read, , $headers] = $dms->getLeadWithHttpInfo($created->getId());
$etag = array_change_key_case($headers)['etag'][0];
$change = (new LeadUpdate())->setStatus(LeadStatusInput::IN_PROGRESS);
$updated = $dms->updateLead($created->getId(), $change, $etag);

$known = [];
$passedOver = 0;
for ($cursor = null; ; $cursor = $page->getNextCursor()) {
    $page = $feed->listEvents(1, $cursor, $created->getId());
    if ($page->getItems() === []) {
        break;
    }
    foreach ($page->getItems() as $event) {
        if (in_array($event->getType(), ['lead.created', 'lead.updated'], true)) {
            $known[] = $event->getType();
        } else {
            $passedOver++;
        }
    }
}

echo json_encode([
    'id' => $read->getId(),
    'given' => $read->getCustomer()->getName()->getGiven(),
    'etag' => $etag,
    'status' => $updated->getStatus(),
    'version' => $updated->getVersion(),
    'known' => $known,
    'passedOver' => $passedOver,
]);
