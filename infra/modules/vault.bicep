// The vault. Its secrets are written by people or by a deployment's hook, never by this template: values that pass through
// Resource Manager are one more place to lose them from.
param location string
param tags object
param name string
param isPrivate bool
param operatorAddresses array
param workspaceId string

var reachable = !isPrivate || !empty(operatorAddresses)

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  // checkov:skip=CKV_AZURE_109:denied with privateNetwork; without it the apps come from addresses nobody knows before, and roles decide
  // checkov:skip=CKV_AZURE_189:disabled with privateNetwork, which this check cannot read
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    enablePurgeProtection: true // cannot be taken back: who loses JWT keys and data keys loses sessions and second factors
    softDeleteRetentionInDays: 90
    publicNetworkAccess: reachable ? 'Enabled' : 'Disabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: isPrivate ? 'Deny' : 'Allow'
      ipRules: [for address in operatorAddresses: { value: address }]
    }
  }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'audit'
  properties: { workspaceId: workspaceId, logs: [{ categoryGroup: 'audit', enabled: true }] }
}

output id string = vault.id
output name string = vault.name
output uri string = vault.properties.vaultUri
