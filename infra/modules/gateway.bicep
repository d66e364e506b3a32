// Front Door's routes: one host name for one app or six. An exact path wins over a wildcard, a longer one over a shorter
// (https://learn.microsoft.com/azure/frontdoor/front-door-route-matching). tests/infra leads every path of the OpenAPI document
// through these lists.
param profileName string
param endpointName string
param customDomainId string
param standalone bool
@description('[{ key, hostName }]: the apps.')
param origins array

// What is nobody's goes to monitoring: every app has /, /health, /docs and /static, and monitoring has /status and /monitor too.
var sixApps = [
  {
    name: 'auth'
    key: 'auth'
    patterns: ['/api/auth/*', '/auth/*', '/.well-known/*', '/api/mail/*', '/api/webhooks/sendgrid']
  }
  { name: 'ai', key: 'ai', patterns: ['/api/ai/*'] }
  { name: 'chat', key: 'chat', patterns: ['/api/chat/*'] }
  { name: 'files', key: 'files', patterns: ['/api/files', '/api/files/*', '/share/*'] }
  {
    name: 'payments'
    key: 'payments'
    patterns: [
      '/api/payments/*'
      '/api/customers/*'
      '/api/subscriptions'
      '/api/subscriptions/*'
      '/api/invoices'
      '/api/refunds'
      '/api/refunds/*'
      '/api/webhooks/stripe'
    ]
  }
  { name: 'rest', key: 'monitoring', patterns: ['/*'] }
]
var oneApp = [{ name: 'rest', key: 'app', patterns: ['/*'] }]
var uncached = standalone ? sixApps : oneApp
// Bytes of files and shares are never among these: they are private, and a share that is revoked must end at once.
var cached = [
  { name: 'static', key: standalone ? 'monitoring' : 'app', patterns: ['/static/*'] }
  { name: 'jwks', key: standalone ? 'auth' : 'app', patterns: ['/.well-known/jwks.json'] }
]

resource profile 'Microsoft.Cdn/profiles@2025-06-01' existing = { name: profileName }
resource endpoint 'Microsoft.Cdn/profiles/afdEndpoints@2025-06-01' existing = {
  parent: profile
  name: endpointName
}

resource groups 'Microsoft.Cdn/profiles/originGroups@2025-06-01' = [for origin in origins: {
  parent: profile
  name: origin.key
  properties: {
    // No health probe: with one origin in the group it decides nothing, and from every edge it would keep apps awake.
    loadBalancingSettings: { sampleSize: 4, successfulSamplesRequired: 3, additionalLatencyInMilliseconds: 50 }
    sessionAffinityState: 'Disabled'
  }
}]

resource members 'Microsoft.Cdn/profiles/originGroups/origins@2025-06-01' = [for i in range(0, length(origins)): {
  parent: groups[i]
  name: origins[i].key
  properties: {
    hostName: origins[i].hostName
    originHostHeader: origins[i].hostName
    httpsPort: 443
    priority: 1
    weight: 1000
    enabledState: 'Enabled'
    enforceCertificateNameCheck: true
  }
}]

resource routes 'Microsoft.Cdn/profiles/afdEndpoints/routes@2025-06-01' = [for route in uncached: {
  parent: endpoint
  name: route.name
  dependsOn: [members] // Azure refuses a route to a group without origins
  properties: {
    originGroup: { id: resourceId('Microsoft.Cdn/profiles/originGroups', profileName, route.key) }
    customDomains: empty(customDomainId) ? [] : [{ id: customDomainId }]
    linkToDefaultDomain: 'Enabled'
    patternsToMatch: route.patterns
    supportedProtocols: ['Http', 'Https']
    httpsRedirect: 'Enabled'
    forwardingProtocol: 'HttpsOnly'
    enabledState: 'Enabled'
  }
}]

resource cachedRoutes 'Microsoft.Cdn/profiles/afdEndpoints/routes@2025-06-01' = [for route in cached: {
  parent: endpoint
  name: route.name
  dependsOn: [routes] // an endpoint takes one change at a time
  properties: {
    originGroup: { id: resourceId('Microsoft.Cdn/profiles/originGroups', profileName, route.key) }
    customDomains: empty(customDomainId) ? [] : [{ id: customDomainId }]
    linkToDefaultDomain: 'Enabled'
    patternsToMatch: route.patterns
    supportedProtocols: ['Http', 'Https']
    httpsRedirect: 'Enabled'
    forwardingProtocol: 'HttpsOnly'
    enabledState: 'Enabled'
    // For how long, the app's Cache-Control says.
    cacheConfiguration: {
      queryStringCachingBehavior: 'UseQueryString'
      compressionSettings: {
        isCompressionEnabled: true
        contentTypesToCompress: ['application/javascript', 'application/json', 'image/svg+xml', 'text/css', 'text/javascript']
      }
    }
  }
}]
