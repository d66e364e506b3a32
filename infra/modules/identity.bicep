// One app's identity and all that it may do, so that in standalone mode the files app cannot call models.
param location string
param tags object
param name string
param storageName string
param vaultName string
param insightsName string
param openAiName string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

module roles 'roles.bicep' = {
  params: {
    holder: 'app'
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    storageName: storageName
    vaultName: vaultName
    insightsName: insightsName
    openAiName: openAiName
  }
}

output id string = identity.id
output clientId string = identity.properties.clientId
