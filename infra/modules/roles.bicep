// Who may do what: every role assignment of the deployment is made here, by name.
// Ids: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
@allowed(['app', 'secretsOfficer'])
param holder string
param principalId string
param principalType string
param storageName string = ''
param vaultName string = ''
param insightsName string = ''
param openAiName string = ''

var roleIds = {
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'Storage Queue Data Contributor': '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  'Storage Table Data Contributor': '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  'Key Vault Secrets User': '4633458b-17de-408a-b874-0445c86b69e6'
  'Key Vault Secrets Officer': 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  'Monitoring Metrics Publisher': '3913510d-42f4-4e42-8a64-420c390055eb'
  'Cognitive Services OpenAI User': '5e0bd9bd-7b93-4f28-af87-19fc36ad61bd'
}

var grants = {
  app: {
    // Owner of blobs, because that is what the host asks of its own storage and the blob trigger of the storage it watches
    // (https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity).
    storage: ['Storage Blob Data Owner', 'Storage Queue Data Contributor', 'Storage Table Data Contributor']
    vault: ['Key Vault Secrets User']
    insights: ['Monitoring Metrics Publisher']
    openAi: ['Cognitive Services OpenAI User']
  }
  secretsOfficer: {
    storage: []
    vault: ['Key Vault Secrets Officer']
    insights: []
    openAi: []
  }
}

var storageRoles = empty(storageName) ? [] : grants[holder].storage
var vaultRoles = empty(vaultName) ? [] : grants[holder].vault
var insightsRoles = empty(insightsName) ? [] : grants[holder].insights
var openAiRoles = empty(openAiName) ? [] : grants[holder].openAi

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = { name: empty(storageName) ? 'none' : storageName }
resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = { name: empty(vaultName) ? 'none' : vaultName }
resource insights 'Microsoft.Insights/components@2020-02-02' existing = { name: empty(insightsName) ? 'none' : insightsName }
resource openAi 'Microsoft.CognitiveServices/accounts@2026-03-01' existing = { name: empty(openAiName) ? 'none' : openAiName }

resource onStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in storageRoles: {
  scope: storage
  name: guid(storage.id, principalId, roleIds[role])
  properties: {
    principalId: principalId
    principalType: principalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[role])
  }
}]

resource onVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in vaultRoles: {
  scope: vault
  name: guid(vault.id, principalId, roleIds[role])
  properties: {
    principalId: principalId
    principalType: principalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[role])
  }
}]

resource onInsights 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in insightsRoles: {
  scope: insights
  name: guid(insights.id, principalId, roleIds[role])
  properties: {
    principalId: principalId
    principalType: principalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[role])
  }
}]

resource onOpenAi 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in openAiRoles: {
  scope: openAi
  name: guid(openAi.id, principalId, roleIds[role])
  properties: {
    principalId: principalId
    principalType: principalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[role])
  }
}]
