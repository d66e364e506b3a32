// The one storage account: what the app keeps, what the Functions host keeps, and the packages that are deployed.
// Names are docs/data-model.md's. The app would make what is missing; dated tables it makes itself.
param location string
param tags object
param name string
param redundancy string
param filesContainer string
param packageContainers array
param corsOrigins array
param isPrivate bool
param topicName string

var containers = concat([filesContainer, '${filesContainer}-variants', 'lydian-system', 'chat'], packageContainers)
var queues = [
  'ai-events'
  'auth-events'
  'files-events'
  'payments-events'
  'chat-events'
  'mail-events'
  'mail-events-poison'
  'webjobs-blobtrigger-poison'
]
var tables = [
  'users'
  'userindex'
  'identities'
  'emails'
  'files'
  'shares'
  'filestats'
  'userstats'
  'statshistory'
  'traffichistory'
  'instances'
  'probes'
  'alerts'
  'announcements'
  'changes'
  'limits'
  'notices'
  'deletions'
  'audituser'
  'auditheads'
  'mailoutbox'
  'mailsuppressed'
  'customers'
  'payments'
  'paymentindex'
  'paymentstats'
  'reconciliation'
  'aiaccounts'
  'aimodels'
  'aistats'
  'chats'
  'chatwork'
]

// For direct uploads from the pages of these origins; the signed grant says to which blob.
var corsRules = [
  {
    allowedOrigins: corsOrigins
    allowedMethods: ['PUT', 'OPTIONS']
    allowedHeaders: ['content-type', 'x-ms-*']
    exposedHeaders: ['etag', 'x-ms-*']
    maxAgeInSeconds: 3600
  }
]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  // checkov:skip=CKV_AZURE_35:denied with privateNetwork; without it apps and browsers come from addresses nobody knows before
  // checkov:skip=CKV_AZURE_206:a parameter, ZRS by default, which this check cannot read
  name: name
  location: location
  tags: tags
  sku: { name: redundancy }
  kind: 'StorageV2'
  properties: {
    accessTier: 'Hot'
    allowSharedKeyAccess: false // roles only; grants to browsers are signed with a user-delegation key
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Flex Consumption has no fixed addresses, and browsers upload from anywhere: without the private network it is open to
    // the internet, and who may do what is decided by role or by a signed grant.
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: { defaultAction: isPrivate ? 'Deny' : 'Allow', bypass: 'AzureServices' }
    encryption: {
      keySource: 'Microsoft.Storage'
      requireInfrastructureEncryption: true
      services: {
        blob: { enabled: true, keyType: 'Account' }
        queue: { enabled: true, keyType: 'Account' }
        // Not the account's key, which only keys of one's own have a use for: it makes an operation on tables 18 to 270 times
        // as dear. https://learn.microsoft.com/azure/storage/common/account-encryption-key-create#pricing-and-billing
        table: { enabled: true, keyType: 'Service' }
      }
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    // What a user has removed for good is gone a week later: longer would be kept without reason, shorter saves nobody.
    deleteRetentionPolicy: { enabled: true, days: 7 }
    containerDeleteRetentionPolicy: { enabled: true, days: 7 }
    cors: { corsRules: empty(corsOrigins) ? [] : corsRules }
  }
}

resource blobContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [for container in containers: {
  parent: blobs
  name: container
  properties: { publicAccess: 'None' }
}]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource storageQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [for queue in queues: {
  parent: queueService
  name: queue
}]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource storageTables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = [for table in tables: {
  parent: tableService
  name: table
}]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          // The optimized variant is what is shown: an original is seldom read again. Cool answers as fast and costs less to keep.
          name: 'originals-cool'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['${filesContainer}/'] }
            actions: { baseBlob: { tierToCool: { daysAfterModificationGreaterThan: 90 } } }
          }
        }
      ]
    }
  }
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: topicName
  location: location
  tags: tags
  properties: { source: account.id, topicType: 'Microsoft.Storage.StorageAccounts' }
}

output id string = account.id
output name string = account.name
output topicId string = topic.id
output topicName string = topic.name
