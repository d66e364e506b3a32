// The Azure OpenAI account and its deployments. Entra tokens only: there is no key to leak.
param location string
param tags object
param name string
@description('[{ name, model, version, sku, capacity }]; capacity counts thousands of tokens a minute for the pay-as-you-go kinds.')
param deployments array
param isPrivate bool

resource account 'Microsoft.CognitiveServices/accounts@2026-03-01' = {
  // checkov:skip=CKV_AZURE_134:disabled with privateNetwork; without it the apps come from addresses nobody knows before, and take no keys
  // checkov:skip=CKV_AZURE_238:an identity is for what the account calls, and it calls nothing
  name: name
  location: location
  tags: tags
  kind: 'OpenAI'
  sku: { name: 'S0' }
  properties: {
    customSubDomainName: name // what Entra tokens and private endpoints need
    disableLocalAuth: true
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: { defaultAction: isPrivate ? 'Deny' : 'Allow' }
  }
}

@batchSize(1) // the account takes one change at a time
resource models 'Microsoft.CognitiveServices/accounts/deployments@2026-03-01' = [for wanted in deployments: {
  parent: account
  name: wanted.name
  sku: { name: wanted.sku, capacity: wanted.capacity }
  properties: {
    model: { format: 'OpenAI', name: wanted.model, version: wanted.version }
    versionUpgradeOption: 'OnceCurrentVersionExpired'
  }
}]

output id string = account.id
output name string = account.name
output endpoint string = account.properties.endpoint
