// One function app on a Flex Consumption plan of its own (a plan takes one app), with all its settings.
param location string
param tags object
@description('app (everything) or the service that it runs.')
param key string
@description('SERVICES.')
param services string
param name string
param planName string
param identityId string
param identityClientId string
param storageName string
param insightsName string
param vaultUri string
param publicBaseUrl string
param filesContainer string
param corsOrigins array
param frontDoorId string
param frontDoorNetworks array
param openAiEndpoint string
param openAiDeployment string
param appSettings object
param secretSettings array
param alwaysReady int
param maximumInstances int
param subnetId string

var hasNetwork = !empty(subnetId)
var hasFrontDoor = !empty(frontDoorId)

// The hops between Azure's front end and the app: the host beside it, and whatever is inside the platform. None of them is an
// address that a client from outside could have.
var innerNetworks = ['127.0.0.0/8', '::1/128', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', 'fc00::/7', 'fe80::/10']

// Which app needs which secret.
var secretsOf = {
  app: [
    'JWT_PRIVATE_KEY'
    'AUTH_DATA_KEY'
    'SENDGRID_API_KEY'
    'STRIPE_SECRET_KEY'
    'STRIPE_WEBHOOK_SECRET'
    'OPENAI_API_KEY'
    'AZURE_OPENAI_API_KEY'
    'AI_API_KEYS'
    'ALERT_WEBHOOK_URL'
  ]
  monitoring: ['ALERT_WEBHOOK_URL', 'SENDGRID_API_KEY'] // whichever app takes a mail from the queue sends it
  auth: ['JWT_PRIVATE_KEY', 'AUTH_DATA_KEY', 'SENDGRID_API_KEY']
  ai: ['OPENAI_API_KEY', 'AZURE_OPENAI_API_KEY', 'AI_API_KEYS', 'SENDGRID_API_KEY']
  chat: ['OPENAI_API_KEY', 'AZURE_OPENAI_API_KEY', 'AI_API_KEYS', 'SENDGRID_API_KEY']
  files: ['SENDGRID_API_KEY']
  payments: ['STRIPE_SECRET_KEY', 'STRIPE_WEBHOOK_SECRET', 'SENDGRID_API_KEY']
}

// A reference that finds no secret is taken for the secret itself, so only those that the deployer says are in the vault become
// references. Empty is the default; all are named here, so that none can be given in clear among appSettings.
var given = intersection(secretSettings, secretsOf[key])
var kept = '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/'
var secrets = {
  JWT_PRIVATE_KEY: contains(given, 'JWT_PRIVATE_KEY') ? '${kept}jwt-private-key)' : ''
  AUTH_DATA_KEY: contains(given, 'AUTH_DATA_KEY') ? '${kept}auth-data-key)' : ''
  SENDGRID_API_KEY: contains(given, 'SENDGRID_API_KEY') ? '${kept}sendgrid-api-key)' : ''
  STRIPE_SECRET_KEY: contains(given, 'STRIPE_SECRET_KEY') ? '${kept}stripe-secret-key)' : ''
  STRIPE_WEBHOOK_SECRET: contains(given, 'STRIPE_WEBHOOK_SECRET') ? '${kept}stripe-webhook-secret)' : ''
  OPENAI_API_KEY: contains(given, 'OPENAI_API_KEY') ? '${kept}openai-api-key)' : ''
  AZURE_OPENAI_API_KEY: contains(given, 'AZURE_OPENAI_API_KEY') ? '${kept}azure-openai-api-key)' : '' // of an account elsewhere
  AI_API_KEYS: contains(given, 'AI_API_KEYS') ? '${kept}ai-api-keys)' : ''
  ALERT_WEBHOOK_URL: contains(given, 'ALERT_WEBHOOK_URL') ? '${kept}alert-webhook-url)' : ''
  JWT_SECRET: '' // keys here are asymmetric, so that apps other than auth can verify and not sign
  AZURE_STORAGE_CONNECTION_STRING: '' // the account takes no keys
}

// The table of settings: the README's, in its order. What is not here keeps its default; tests/infra has the list with reasons.
var table = {
  // The host's own
  AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
  AzureWebJobsStorage__queueServiceUri: storage.properties.primaryEndpoints.queue
  AzureWebJobsStorage__tableServiceUri: storage.properties.primaryEndpoints.table
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  AzureWebJobsDisableHomepage: 'true'
  FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: '125829120' // 120 MiB: FILES_MAX_BYTES and what multipart adds
  APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD;ClientId=${identityClientId}'
  // Ours
  ENVIRONMENT: 'production'
  SERVICES: services
  PUBLIC_BASE_URL: publicBaseUrl
  CORS_ORIGINS: join(corsOrigins, ',')
  TRUSTED_PROXIES: join(concat(innerNetworks, frontDoorNetworks), ',')
  FRONT_DOOR_ID: frontDoorId
  LOG_LEVEL: 'info'
  LOG_FORMAT: 'json'
  AZURE_STORAGE_ACCOUNT_URL: storage.properties.primaryEndpoints.blob
  AZURE_CLIENT_ID: identityClientId
  AZURE_CONTAINER_NAME: filesContainer
  FILES_MAX_BYTES: '104857600'
  FILES_MAX_DIRECT_BYTES: hasNetwork ? '0' : '2147483648' // browsers cannot reach a private account: no grants for one
  BLOB_TRIGGER_SOURCE: 'EventGrid'
  AZURE_OPENAI_ENDPOINT: openAiEndpoint
  AZURE_OPENAI_DEPLOYMENT: openAiDeployment
}

var doors = [
  {
    name: 'our-front-door'
    priority: 100
    action: 'Allow'
    tag: 'ServiceTag'
    ipAddress: 'AzureFrontDoor.Backend'
    headers: { 'x-azure-fdid': [frontDoorId] } // those addresses serve everybody's Front Door; this one is ours
  }
  {
    name: 'event-grid' // to /runtime/webhooks/blobs, which asks for its key
    priority: 200
    action: 'Allow'
    tag: 'ServiceTag'
    ipAddress: 'AzureEventGrid'
  }
]

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = { name: storageName }

resource insights 'Microsoft.Insights/components@2020-02-02' existing = { name: insightsName }

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  // checkov:skip=CKV_AZURE_225:zones cost two always-ready instances at least and not every region has them; the data is in three zones
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  // checkov:skip=CKV_AZURE_222:it serves the public; who may reach it directly is in ipSecurityRestrictions
  // checkov:skip=CKV_AZURE_17:callers are people's browsers and phones, which present tokens, not certificates
  // checkov:skip=CKV_AZURE_212:Flex Consumption counts instances in scaleAndConcurrency, not in siteConfig
  // checkov:skip=CKV_AZURE_213:Flex Consumption knows no health check path; the availability test asks /health/ready
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': key })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    publicNetworkAccess: 'Enabled' // Front Door and Event Grid come from outside; below is who else may
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: hasNetwork ? subnetId : null
    functionAppConfig: {
      runtime: { name: 'python', version: '3.13' }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}app-package-${key}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: maximumInstances
        alwaysReady: alwaysReady > 0 ? [{ name: 'http', instanceCount: alwaysReady }] : []
        triggers: { http: { perInstanceConcurrency: 32 } } // Python's default is 1: a stream would keep an instance to itself
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      remoteDebuggingEnabled: false
      // No cors here: the app answers preflights itself (CORS_ORIGINS).
      ipSecurityRestrictionsDefaultAction: hasFrontDoor ? 'Deny' : 'Allow'
      ipSecurityRestrictions: hasFrontDoor ? doors : []
      scmIpSecurityRestrictionsUseMain: false // deployments come from anywhere, with an Entra token
      scmIpSecurityRestrictionsDefaultAction: 'Allow'
    }
  }

  resource settings 'config' = {
    name: 'appsettings'
    properties: union(table, appSettings, secrets)
  }

  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }
}

output hostName string = app.properties.defaultHostName
