// Everything Lydian needs in one resource group. Names: Microsoft's Cloud Adoption abbreviations, the workload's name, and a
// token that is the same at every deployment into the same group. No secret passes through this template: see modules/vault.bicep.
targetScope = 'resourceGroup'

@description('The workload, in every resource\'s name: lower-case letters and digits.')
@minLength(2)
@maxLength(7)
param name string = 'lydian'

@description('The environment, for tags; azd finds its resources by it.')
param environmentName string

@description('Region of everything that has one. It must offer Flex Consumption: az functionapp list-flexconsumption-locations')
param location string = resourceGroup().location

@description('One function app, or one for each service.')
@allowed(['integrated', 'standalone'])
param deploymentMode string = 'integrated'

@description('Front Door with its WAF in front. Standalone has one even if None is said, since six apps need one host name.')
@allowed(['None', 'Standard', 'Premium'])
param frontDoor string = 'Standard'

@description('Your own host name, such as api.contoso.com. Empty: the one that Azure gives.')
param customDomain string = ''

@description('A public DNS zone to make here, such as contoso.com, with the custom domain\'s records in it. Empty: DNS is elsewhere.')
param dnsZone string = ''

@description('SendGrid\'s records in that zone: { subdomain, target, dmarc }, see modules/dns.bicep. Empty: none.')
param mailDomain object = {}

@description('Origins of the sites whose pages call the API and upload straight to storage, such as https://www.contoso.com')
param corsOrigins array = []

@description('Settings of the README\'s configuration table, not secret, that shall be other than modules/app.bicep says; all strings.')
param appSettings object = {}

@description('Settings that are in the vault, as jwt-private-key and so on. Name only what is there: see infra/README.md')
@allowed([
  'JWT_PRIVATE_KEY'
  'AUTH_DATA_KEY'
  'SENDGRID_API_KEY'
  'STRIPE_SECRET_KEY'
  'STRIPE_WEBHOOK_SECRET'
  'OPENAI_API_KEY'
  'AZURE_OPENAI_API_KEY'
  'AI_API_KEYS'
  'ALERT_WEBHOOK_URL'
])
param secretSettings array = ['JWT_PRIVATE_KEY']

@description('Object id of who may write secrets into the vault (a person or a deployment\'s identity). Empty: nobody gets that role here.')
param secretsOfficerId string = ''

@description('What kind of principal that is.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param secretsOfficerType string = 'User'

@description('Instances for HTTP that are always running, and always paid for; 0 scales to zero.')
@minValue(0)
@maxValue(100)
param alwaysReady int = 0

@description('Instances that one app may scale out to, at most.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 100

@description('Copies of the data: three in one data centre (LRS), in three zones (ZRS), or those and three in another region.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageRedundancy string = 'Standard_ZRS'

@description('Storage, vault and models are reached through private endpoints only. Browsers then cannot upload straight to storage.')
param privateNetwork bool = false

@description('Addresses (CIDR ranges) from which the vault may be reached in spite of privateNetwork, to write secrets into it.')
param operatorAddresses array = []

@description('Models: [{ name, model, version, sku, capacity }], the first one being the default. Empty: no Azure OpenAI account.')
param openAiDeployments array = []

@description('Region of the models, which are not everywhere.')
param openAiLocation string = location

@description('Who is told of alerts. Empty: alerts are seen in the portal only.')
param alertEmail string = ''

@description('What the resource group may cost in a month, in the subscription\'s currency, before mails are sent. 0: no budget.')
@minValue(0)
param monthlyBudget int = 0

@description('First of the month of the first deployment, such as 2026-11-01. It must stay so: Azure refuses a change. Empty: no budget.')
param budgetStart string = ''

@description('Front Door\'s addresses towards apps, for X-Forwarded-For: AzureFrontDoor.Backend in az network list-service-tags')
param frontDoorNetworks array = ['147.243.0.0/16', '2a01:111:2050::/44']

var services = ['monitoring', 'auth', 'ai', 'chat', 'files', 'payments']
var standalone = deploymentMode == 'standalone'
var oneApp = [{ key: 'app', services: 'all' }]
var sixApps = [for service in services: { key: service, services: service }]
var apps = standalone ? sixApps : oneApp
var frontDoorTier = standalone && frontDoor == 'None' ? 'Standard' : frontDoor
var hasFrontDoor = frontDoorTier != 'None'
var hasOpenAi = !empty(openAiDeployments)
var hasBudget = monthlyBudget > 0 && !empty(budgetStart) && !empty(alertEmail)

var token = uniqueString(resourceGroup().id)
var suffix = '${name}-${token}'
var tags = { 'azd-env-name': environmentName, workload: name }
var filesContainer = appSettings.?AZURE_CONTAINER_NAME ?? 'uploads'
// The host knows itself by the first 32 characters of these, and apps that share storage must differ in them.
var appNames = [for app in apps: 'func-${suffix}-${app.key}']
var packageContainers = [for app in apps: 'app-package-${app.key}']
var ownHost = empty(customDomain) ? '${appNames[0]}.azurewebsites.net' : customDomain
var publicBaseUrl = hasFrontDoor ? 'https://${edge!.outputs.hostName}' : 'https://${ownHost}'

module monitoring 'modules/monitoring.bicep' = {
  params: { location: location, suffix: suffix, tags: tags }
}

module storage 'modules/storage.bicep' = {
  params: {
    location: location
    tags: tags
    name: 'st${name}${token}'
    redundancy: storageRedundancy
    filesContainer: filesContainer
    packageContainers: packageContainers
    corsOrigins: corsOrigins
    isPrivate: privateNetwork
    topicName: 'evgst-${suffix}'
  }
}

module vault 'modules/vault.bicep' = {
  params: {
    location: location
    tags: tags
    name: 'kv-${suffix}'
    isPrivate: privateNetwork
    operatorAddresses: operatorAddresses
    workspaceId: monitoring.outputs.workspaceId
  }
}

module openAi 'modules/openai.bicep' = if (hasOpenAi) {
  params: { location: openAiLocation, tags: tags, name: 'oai-${suffix}', deployments: openAiDeployments, isPrivate: privateNetwork }
}

module network 'modules/network.bicep' = if (privateNetwork) {
  params: {
    location: location
    suffix: suffix
    tags: tags
    storageId: storage.outputs.id
    vaultId: vault.outputs.id
    openAiId: hasOpenAi ? openAi!.outputs.id : ''
  }
}

module edge 'modules/edge.bicep' = if (hasFrontDoor) {
  params: {
    suffix: suffix
    tags: tags
    tier: frontDoorTier
    customDomain: customDomain
    workspaceId: monitoring.outputs.workspaceId
  }
}

module identities 'modules/identity.bicep' = [for app in apps: {
  params: {
    location: location
    tags: tags
    name: 'id-${suffix}-${app.key}'
    storageName: storage.outputs.name
    vaultName: vault.outputs.name
    insightsName: monitoring.outputs.insightsName
    openAiName: hasOpenAi && contains(['app', 'ai', 'chat'], app.key) ? openAi!.outputs.name : ''
  }
}]

module secretsOfficer 'modules/roles.bicep' = if (!empty(secretsOfficerId)) {
  params: {
    holder: 'secretsOfficer'
    principalId: secretsOfficerId
    principalType: secretsOfficerType
    vaultName: vault.outputs.name
  }
}

module functionApps 'modules/app.bicep' = [for i in range(0, length(apps)): {
  params: {
    location: location
    tags: tags
    key: apps[i].key
    services: apps[i].services
    name: appNames[i]
    planName: 'asp-${suffix}-${apps[i].key}'
    identityId: identities[i].outputs.id
    identityClientId: identities[i].outputs.clientId
    storageName: storage.outputs.name
    insightsName: monitoring.outputs.insightsName
    vaultUri: vault.outputs.uri
    publicBaseUrl: publicBaseUrl
    filesContainer: filesContainer
    corsOrigins: corsOrigins
    frontDoorId: hasFrontDoor ? edge!.outputs.frontDoorId : ''
    frontDoorNetworks: hasFrontDoor ? frontDoorNetworks : []
    openAiEndpoint: hasOpenAi ? openAi!.outputs.endpoint : ''
    openAiDeployment: hasOpenAi ? openAiDeployments[0].name : ''
    appSettings: appSettings
    secretSettings: secretSettings
    alwaysReady: alwaysReady
    maximumInstances: maximumInstances
    subnetId: privateNetwork ? network!.outputs.appSubnetId : ''
  }
}]

module gateway 'modules/gateway.bicep' = if (hasFrontDoor) {
  params: {
    profileName: edge!.outputs.profileName
    endpointName: edge!.outputs.endpointName
    customDomainId: edge!.outputs.customDomainId
    standalone: standalone
    origins: [for i in range(0, length(apps)): { key: apps[i].key, hostName: functionApps[i].outputs.hostName }]
  }
}

module alerts 'modules/alerts.bicep' = {
  params: {
    location: location
    suffix: suffix
    tags: tags
    insightsId: monitoring.outputs.insightsId
    workspaceId: monitoring.outputs.workspaceId
    topicId: storage.outputs.topicId
    storageId: storage.outputs.id
    frontDoorProfileId: hasFrontDoor ? edge!.outputs.profileId : ''
    publicBaseUrl: publicBaseUrl
    email: alertEmail
  }
}

module workbook 'modules/workbook.bicep' = {
  params: { location: location, tags: tags, workspaceId: monitoring.outputs.workspaceId }
}

module budget 'modules/budget.bicep' = if (hasBudget) {
  params: { name: 'budget-${suffix}', amount: monthlyBudget, start: budgetStart, email: alertEmail }
}

module dns 'modules/dns.bicep' = if (!empty(dnsZone)) {
  params: {
    tags: tags
    zoneName: empty(dnsZone) ? 'none.invalid' : dnsZone
    customDomain: customDomain
    edgeHost: hasFrontDoor ? edge!.outputs.endpointHost : ''
    domainValidation: hasFrontDoor ? edge!.outputs.domainValidation : ''
    mail: mailDomain
  }
}

@description('Where people reach the API.')
output PUBLIC_BASE_URL string = publicBaseUrl
@description('The function apps, in the order of their services.')
output FUNCTION_APPS array = appNames
@description('The first of them, which azd deploys to; the hook postdeploy deploys to the others.')
output FIRST_APP string = appNames[0]
@description('The app that runs files: the blob subscription (events.bicep) leads to it.')
output FILES_APP string = standalone ? 'func-${suffix}-files' : appNames[0]
@description('The container whose blobs are optimized.')
output FILES_CONTAINER string = filesContainer
@description('The system topic that the blob subscription belongs to.')
output EVENT_TOPIC string = storage.outputs.topicName
@description('Where secrets are written: az keyvault secret set --vault-name …')
output KEY_VAULT string = vault.outputs.name
@description('Value of the TXT record _dnsauth.<custom domain>, which shows Front Door that the domain is yours. Public, as all of DNS.')
output DOMAIN_VALIDATION string = hasFrontDoor ? edge!.outputs.domainValidation : ''
@description('What the custom domain\'s CNAME leads to.')
output EDGE_HOST string = hasFrontDoor ? edge!.outputs.endpointHost : ''
@description('Name servers of dnsZone, which its registrar must name.')
output DNS_NAME_SERVERS array = !empty(dnsZone) ? dns!.outputs.nameServers : []
