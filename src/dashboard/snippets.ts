export const snippetLanguages = ['curl', 'JavaScript', 'PHP', 'Python', 'C#'] as const
export type SnippetLanguage = (typeof snippetLanguages)[number]

const lead = `{
  "type": "test_drive",
  "message": "I would like to try it.",
  "customer": {
    "name": { "given": "Anna", "family": "Jensen" },
    "emails": [{ "address": "anna@example.com" }]
  }
}`
const listing = (url: string) => `${url}/v1/leads?limit=10`

/**
 * An example that runs as it is: buys a token with the key, then sends a lead, or reads some when the key cannot send.
 */
export function snippet(language: SnippetLanguage, url: string, key: string, sends: boolean): string {
  const indented = (spaces: number) => lead.replaceAll('\n', `\n${' '.repeat(spaces)}`)
  switch (language) {
    case 'curl':
      return `TOKEN=$(curl -s -X POST ${url}/v1/auth/token -H 'X-Api-Key: ${key}' \\
  | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')

${sends ? `curl -X POST ${url}/v1/leads -H "Authorization: Bearer $TOKEN" \\\n  -H 'Content-Type: application/json' -d '${lead}'` : `curl '${listing(url)}' -H "Authorization: Bearer $TOKEN"`}`
    case 'JavaScript':
      return `// On your server: a key in a web page can be read by every visitor.
const { access_token } = await (await fetch('${url}/v1/auth/token', {
  method: 'POST',
  headers: { 'X-Api-Key': '${key}' },
})).json()

${
  sends
    ? `const response = await fetch('${url}/v1/leads', {
  method: 'POST',
  headers: { Authorization: \`Bearer \${access_token}\`, 'Content-Type': 'application/json' },
  body: JSON.stringify(${indented(2)}),
})`
    : `const response = await fetch('${listing(url)}', {
  headers: { Authorization: \`Bearer \${access_token}\` },
})`
}
console.log(response.status, await response.json())`
    case 'PHP':
      return `<?php
function send($method, $url, $headers, $body = '') {
  $http = ['method' => $method, 'header' => $headers, 'content' => $body];
  return file_get_contents($url, false, stream_context_create(['http' => $http]));
}

$token = json_decode(send('POST', '${url}/v1/auth/token', ['X-Api-Key: ${key}']))->access_token;

${
  sends
    ? `$lead = <<<'JSON'
${lead}
JSON;
echo send('POST', '${url}/v1/leads', ["Authorization: Bearer $token", 'Content-Type: application/json'], $lead);`
    : `echo send('GET', '${listing(url)}', ["Authorization: Bearer $token"]);`
}`
    case 'Python':
      return `import json
from urllib.request import Request, urlopen

exchange = Request("${url}/v1/auth/token", method="POST", headers={"X-Api-Key": "${key}"})
token = json.load(urlopen(exchange))["access_token"]

${
  sends
    ? `lead = """${lead}"""
request = Request("${url}/v1/leads", data=lead.encode(), headers={
    "Authorization": f"Bearer {token}", "Content-Type": "application/json"})`
    : `request = Request("${listing(url)}", headers={"Authorization": f"Bearer {token}"})`
}
print(urlopen(request).read().decode())`
    case 'C#':
      return `using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

var http = new HttpClient { BaseAddress = new Uri("${url}") };
var exchange = new HttpRequestMessage(HttpMethod.Post, "/v1/auth/token");
exchange.Headers.Add("X-Api-Key", "${key}");
var answer = await (await http.SendAsync(exchange)).Content.ReadFromJsonAsync<JsonElement>();
http.DefaultRequestHeaders.Authorization =
    new AuthenticationHeaderValue("Bearer", answer.GetProperty("access_token").GetString());

${
  sends
    ? `var lead = """
${lead}
""";
var response = await http.PostAsync("/v1/leads", new StringContent(lead, Encoding.UTF8, "application/json"));`
    : `var response = await http.GetAsync("/v1/leads?limit=10");`
}
Console.WriteLine(await response.Content.ReadAsStringAsync());`
  }
}
