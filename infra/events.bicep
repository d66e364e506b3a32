// The blob subscription: Event Grid tells the files app of every new original. Deployed after the code, since the key exists and
// Event Grid's handshake is answered only once the function is there:
//   KEY=$(az functionapp keys list -g GROUP -n APP --query systemKeys.blobs_extension -o tsv)
//   az deployment group create -g GROUP -f infra/events.bicep -p topicName=TOPIC appName=APP container=uploads blobsExtensionKey="$KEY"
targetScope = 'resourceGroup'

@description('Output EVENT_TOPIC of main.bicep.')
param topicName string

@description('Output FILES_APP of main.bicep.')
param appName string

@description('Output FILES_CONTAINER of main.bicep.')
param container string = 'uploads'

@description('The system key blobs_extension of that app.')
@secure()
param blobsExtensionKey string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = { name: topicName }

resource app 'Microsoft.Web/sites@2024-11-01' existing = { name: appName }

var webhook = 'https://${app.properties.defaultHostName}/runtime/webhooks/blobs'

resource originals 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'originals'
  properties: {
    eventDeliverySchema: 'EventGridSchema'
    destination: {
      endpointType: 'WebHook'
      properties: {
        endpointUrl: '${webhook}?functionName=Host.Functions.files_optimize_image&code=${blobsExtensionKey}'
        maxEventsPerBatch: 1
        minimumTlsVersionAllowed: '1.2'
      }
    }
    filter: {
      // With /blobs/ at its end, or the variants' container would match too and every variant would make new ones.
      subjectBeginsWith: '/blobServices/default/containers/${container}/blobs/'
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
    }
    retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
  }
}
