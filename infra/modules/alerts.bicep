// What wakes somebody, and whom. Each rule is about something that users notice or soon will.
param location string
param suffix string
param tags object
param insightsId string
param workspaceId string
param topicId string
param storageId string
param frontDoorProfileId string
param publicBaseUrl string
param email string

var hasFrontDoor = !empty(frontDoorProfileId)

// Amsterdam, Dublin, Virginia, California, Singapore: a place that has trouble of its own does not wake anybody.
var places = ['emea-nl-ams-azr', 'emea-gb-db3-azr', 'us-va-ash-azr', 'us-ca-sjc-azr', 'apac-sg-sin-azr']

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'lydian'
    emailReceivers: empty(email) ? [] : [{ name: 'operators', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource probe 'Microsoft.Insights/webtests@2022-06-15' = {
  name: 'ready-${suffix}'
  location: location
  tags: union(tags, { 'hidden-link:${insightsId}': 'Resource' }) // how the portal finds the test's component
  kind: 'standard'
  properties: {
    SyntheticMonitorId: 'ready-${suffix}'
    Name: 'ready'
    Kind: 'standard'
    Enabled: true
    Frequency: 300
    Timeout: 30
    RetryEnabled: true
    Locations: [for place in places: { Id: place }]
    Request: { RequestUrl: '${publicBaseUrl}/health/ready', HttpVerb: 'GET', ParseDependentRequests: false, FollowRedirects: false }
    ValidationRules: { ExpectedHttpStatusCode: 200, SSLCheck: true, SSLCertRemainingLifetimeCheck: 7 }
  }
}

resource unavailable 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'ar-${suffix}-unavailable'
  location: 'global'
  tags: tags
  properties: {
    severity: 0
    enabled: true
    scopes: [probe.id, insightsId]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: probe.id
      componentId: insightsId
      failedLocationCount: 2
    }
    actions: [
      {
        actionGroupId: people.id
        webHookProperties: {
          meaning: '/health/ready does not answer 200 from two of five places: storage is out of reach, or the app is.'
        }
      }
    ]
  }
}

resource edgeErrors 'Microsoft.Insights/metricAlerts@2018-03-01' = if (hasFrontDoor) {
  name: 'ar-${suffix}-edge-5xx'
  location: 'global'
  tags: tags
  properties: {
    severity: 1
    enabled: true
    scopes: [hasFrontDoor ? frontDoorProfileId : insightsId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'errors'
          criterionType: 'StaticThresholdCriterion'
          metricName: 'Percentage5XX'
          metricNamespace: 'Microsoft.Cdn/profiles'
          timeAggregation: 'Average'
          operator: 'GreaterThan'
          threshold: 2
        }
      ]
    }
    actions: [
      {
        actionGroupId: people.id
        webHookProperties: {
          meaning: 'More than 2 % of what people ask for is answered 5xx, as Front Door sees it: also when no app runs that could say so.'
        }
      }
    ]
  }
}

resource undelivered 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'ar-${suffix}-undelivered'
  location: 'global'
  tags: tags
  properties: {
    severity: 2
    enabled: true
    scopes: [topicId]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT1H'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'dropped'
          criterionType: 'StaticThresholdCriterion'
          metricName: 'DroppedEventCount'
          metricNamespace: 'Microsoft.EventGrid/systemTopics'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: [
      {
        actionGroupId: people.id
        webHookProperties: {
          meaning: 'Event Grid could not tell the files app of new originals, and has given up: their images stay pending.'
        }
      }
    ]
  }
}

resource throttled 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'ar-${suffix}-storage'
  location: 'global'
  tags: tags
  properties: {
    severity: 2
    enabled: true
    scopes: [storageId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'availability'
          criterionType: 'StaticThresholdCriterion'
          metricName: 'Availability'
          metricNamespace: 'Microsoft.Storage/storageAccounts'
          timeAggregation: 'Average'
          operator: 'LessThan'
          threshold: 99
        }
      ]
    }
    actions: [
      {
        actionGroupId: people.id
        webHookProperties: {
          meaning: 'Storage answers fewer than 99 of 100 requests: throttling, or trouble of its own.'
        }
      }
    ]
  }
}

// Rules that are queries. Each gives rows only where something is wrong.
var queries = [
  {
    key: 'errors'
    severity: 1
    every: 'PT5M'
    window: 'PT15M'
    // Not failed executions: a client that leaves fails its invocation, and nothing is wrong. This is the server's own metric of
    // OpenTelemetry's HTTP conventions, by status.
    meaning: 'More than 2 % of the answers are 5xx, by the app\'s own count, of at least 50.'
    query: '''
AppMetrics
| where Name == "lydian.http.server.request.duration"
| extend failed = toint(Properties["http.response.status_code"]) >= 500
| summarize failures = sumif(ItemCount, failed), total = sum(ItemCount)
| where total >= 50 and failures * 100.0 / total > 2'''
  }
  {
    key: 'slow'
    severity: 3
    every: 'PT15M'
    window: 'PT30M'
    // Streams and bytes last as long as they are long: they say nothing about us.
    meaning: 'The 95th percentile is over 2 seconds, streams and transfers left aside, of at least 50 requests.'
    query: '''
AppRequests
| where isnotempty(Url) and not(Name startswith "ai_" or Name startswith "chat_")
| where Name !in ("files_download", "files_download_share", "files_upload", "files_upload_multiple", "auth_export")
| summarize p95 = percentile(DurationMs, 95), total = sum(ItemCount)
| where total >= 50 and p95 > 2000'''
  }
  {
    key: 'poison'
    severity: 2
    every: 'PT15M'
    window: 'PT15M'
    meaning: 'A message failed five times and was put aside in a poison queue.'
    query: '''
AppTraces
| where Message startswith "Message has reached MaxDequeueCount"'''
  }
]

resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in queries: {
  name: 'ar-${suffix}-${rule.key}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Lydian: ${rule.key}'
    severity: rule.severity
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: rule.every
    windowSize: rule.window
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    actions: { actionGroups: [people.id], customProperties: { meaning: rule.meaning } }
  }
}]
