// Log Analytics, and Application Insights on top of it.
param location string
param suffix string
param tags object

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-${suffix}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: 30 // free of charge; the audit trail, which must last, is in the app's own tables
    features: { enableLogAccessUsingOnlyResourcePermissions: true, disableLocalAuth: true }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${suffix}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    IngestionMode: 'LogAnalytics'
    DisableLocalAuth: true // what is sent is accepted by role (Monitoring Metrics Publisher), so the connection string is no secret
  }
}

output workspaceId string = workspace.id
output insightsId string = insights.id
output insightsName string = insights.name
