// The public DNS zone, for those who have it in Azure: the API's host name, and what SendGrid asks for to send as this domain.
// Who keeps DNS elsewhere leaves dnsZone empty and enters the same records there: docs/guides/dns.md
param tags object
@description('contoso.com. Delegate it at the registrar to the name servers of the output, once.')
param zoneName string
@description('api.contoso.com, or empty. It must be below the zone: a zone\'s own name takes no CNAME.')
param customDomain string
@description('What the custom domain leads to; empty without Front Door.')
param edgeHost string
@description('What shows Front Door that the domain is ours. Changes when Front Door asks again.')
param domainValidation string
@description('{ subdomain: em1234, target: u1234567.wl123.sendgrid.net, dmarc: v=DMARC1; p=none; rua=mailto:… }, as SendGrid shows them. Empty: no mail.')
param mail object

var hasHost = !empty(edgeHost) && endsWith(customDomain, '.${zoneName}')
var host = hasHost ? substring(customDomain, 0, length(customDomain) - length(zoneName) - 1) : 'none'
var hasMail = !empty(mail)
var mailSubdomain = mail.?subdomain ?? 'none'
var mailTarget = mail.?target ?? 'none'

resource zone 'Microsoft.Network/dnsZones@2018-05-01' = {
  name: zoneName
  location: 'global'
  tags: tags
  properties: { zoneType: 'Public' }
}

resource api 'Microsoft.Network/dnsZones/CNAME@2018-05-01' = if (hasHost) {
  parent: zone
  name: host
  properties: { TTL: 300, CNAMERecord: { cname: edgeHost } }
}

resource proof 'Microsoft.Network/dnsZones/TXT@2018-05-01' = if (hasHost) {
  parent: zone
  name: '_dnsauth.${host}'
  properties: { TTL: 300, TXTRecords: [{ value: [domainValidation] }] }
}

// Automated security: SPF and the bounce address are behind the first, the two keys of DKIM behind the others, so that SendGrid
// can rotate them. https://www.twilio.com/docs/sendgrid/ui/account-and-settings/how-to-set-up-domain-authentication
resource bounces 'Microsoft.Network/dnsZones/CNAME@2018-05-01' = if (hasMail) {
  parent: zone
  name: mailSubdomain
  properties: { TTL: 3600, CNAMERecord: { cname: mailTarget } }
}

resource firstKey 'Microsoft.Network/dnsZones/CNAME@2018-05-01' = if (hasMail) {
  parent: zone
  name: 's1._domainkey'
  properties: { TTL: 3600, CNAMERecord: { cname: 's1.domainkey.${mailTarget}' } }
}

resource secondKey 'Microsoft.Network/dnsZones/CNAME@2018-05-01' = if (hasMail) {
  parent: zone
  name: 's2._domainkey'
  properties: { TTL: 3600, CNAMERecord: { cname: 's2.domainkey.${mailTarget}' } }
}

resource dmarc 'Microsoft.Network/dnsZones/TXT@2018-05-01' = if (hasMail) {
  parent: zone
  name: '_dmarc'
  properties: { TTL: 3600, TXTRecords: [{ value: [mail.?dmarc ?? 'v=DMARC1; p=none'] }] }
}

output nameServers array = zone.properties.nameServers
