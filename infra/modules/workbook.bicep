// The charts that one looks at first.
param location string
param tags object
param workspaceId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'lydian-workbook') // Azure wants a GUID here
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Lydian'
    category: 'workbook'
    sourceId: workspaceId
    serializedData: string(loadJsonContent('workbook.json'))
  }
}
